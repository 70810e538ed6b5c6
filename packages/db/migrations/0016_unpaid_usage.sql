-- no transaction
alter table token_grants validate constraint token_grants_kind_check;
--;
alter table token_grants validate constraint token_grants_tokens_check;
--;
-- Usage that no hold could cover: the operator pays for it, and hears of it.
drop index concurrently if exists ai_usage_log_unpaid;
--;
create index concurrently ai_usage_log_unpaid on ai_usage_log (created_at) include (model, total_tokens, billed_tokens)
  where billed_tokens > 0 and billed_tokens < total_tokens;
