-- no transaction
-- Answers that fit nothing and were billed to nobody, for their limit by account.
drop index concurrently if exists ai_usage_log_malformed;
--;
create index concurrently ai_usage_log_malformed on ai_usage_log (account_id, created_at) include (total_tokens)
  where outcome = 'malformed' and billed_tokens = 0;
