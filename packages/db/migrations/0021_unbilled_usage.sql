-- no transaction
-- Calls that used tokens and were billed to nobody, for their metric.
drop index concurrently if exists ai_usage_log_unbilled;
--;
create index concurrently ai_usage_log_unbilled on ai_usage_log (created_at) include (model, outcome, total_tokens)
  where billed_tokens = 0 and total_tokens > 0;
