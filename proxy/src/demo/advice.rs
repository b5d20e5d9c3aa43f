//! What a newcomer is told when the demo runs.

/// The URL and five things to try.
pub(super) fn advice(url: &str, console: &str, http: &str, config: &str, herdctl: &str) -> String {
    format!(
        "
pgherd is ready.  Ctrl-C stops it and its servers.

  application   {url}
  console       {console}
  web           http://{http}/   (metrics: /metrics)
  configuration {config}

Five things to try:

  1. One tenant's rows, from the server that holds them:
     psql {url} -c 'SELECT count(*) FROM tasks WHERE tenant_id = 42'
  2. How pgherd runs a statement:
     psql {url} -c 'EXPLAIN SELECT title FROM tasks WHERE tenant_id = 42'
  3. A question over all tenants, merged from all servers:
     psql {url} -c 'SELECT plan, count(*) FROM tenants GROUP BY plan ORDER BY count(*) DESC'
  4. A session that is one tenant's:
     PGOPTIONS='-c app.tenant=42' psql {url} -c 'SELECT count(*), min(title) FROM projects'
  5. Move tenants to another server while everything runs:
     export PGHERD_URL={console}
     {herdctl} where 42
     {herdctl} move start --tenants 42,43 --to beta --wait
     {herdctl} status
"
    )
}
