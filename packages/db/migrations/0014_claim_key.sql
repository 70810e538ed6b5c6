-- A worker whose claim was committed, and whose answer was lost, asks again under the same id and finds its own claim. The
-- key is a hash of that id and the fence: a claim made since by a worker that knows no ids is nobody's own.

alter table jobs add column claim_key uuid;
