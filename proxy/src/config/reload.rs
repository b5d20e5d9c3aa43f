//! What of a newer configuration can be put in force without a restart.

use super::settings::{Config, DatabaseConfig};

impl Config {
    /// The newer configuration, as far as it can be put in force now, and the keys whose change
    /// needs a restart; those keep their value.
    pub fn reloaded(&self, newer: Config) -> (Config, Vec<&'static str>) {
        let mut kept = Vec::new();
        let mut config = newer;
        keep(&mut kept, "proxy.id", &self.proxy.id, &mut config.proxy.id);
        keep(&mut kept, "proxy.listen", &self.proxy.listen, &mut config.proxy.listen);
        keep(&mut kept, "proxy.http_listen", &self.proxy.http_listen, &mut config.proxy.http_listen);
        let backlog = (&self.proxy.listen_backlog, &mut config.proxy.listen_backlog);
        keep(&mut kept, "proxy.listen_backlog", backlog.0, backlog.1);
        let socket = (&self.proxy.unix_socket_dir, &mut config.proxy.unix_socket_dir);
        keep(&mut kept, "proxy.unix_socket_dir", socket.0, socket.1);
        let mode = (&self.proxy.unix_socket_mode, &mut config.proxy.unix_socket_mode);
        keep(&mut kept, "proxy.unix_socket_mode", mode.0, mode.1);
        let threads = (&self.proxy.worker_threads, &mut config.proxy.worker_threads);
        keep(&mut kept, "proxy.worker_threads", threads.0, threads.1);
        keep(&mut kept, "proxy.log_format", &self.proxy.log_format, &mut config.proxy.log_format);
        keep(&mut kept, "proxy.so_reuseport", &self.proxy.so_reuseport, &mut config.proxy.so_reuseport);
        keep(&mut kept, "proxy.peer_id", &self.proxy.peer_id, &mut config.proxy.peer_id);
        let shown = (&self.proxy.tenant_metrics, &mut config.proxy.tenant_metrics);
        keep(&mut kept, "proxy.tenant_metrics", shown.0, shown.1);
        keep(&mut kept, "directory.store", &self.directory.store, &mut config.directory.store);
        let mut standing = self.databases.clone();
        for database in &mut standing {
            if let Some(newer) = config.database(&database.name) {
                database.adopt_bounds(newer);
            }
        }
        keep(&mut kept, "database", &standing, &mut config.databases);
        keep(&mut kept, "server", &self.servers, &mut config.servers);
        keep(&mut kept, "admin", &self.admin, &mut config.admin);
        keep(&mut kept, "replicas", &self.replicas, &mut config.replicas);
        (config, kept)
    }
}

impl DatabaseConfig {
    /// Takes over what bounds its clients, pools and tenants.
    fn adopt_bounds(&mut self, newer: &DatabaseConfig) {
        self.pool = newer.pool.clone();
        self.max_client_connections = newer.max_client_connections;
        self.tenant_limits = newer.tenant_limits;
        self.tenants.clone_from(&newer.tenants);
    }
}

fn keep<T: PartialEq + Clone>(kept: &mut Vec<&'static str>, key: &'static str, standing: &T, newer: &mut T) {
    if standing != newer {
        kept.push(key);
        newer.clone_from(standing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{TenantRule, UserConfig};

    #[test]
    fn a_database_s_bounds_come_in_force_and_its_tenant_column_does_not() {
        let database = DatabaseConfig { name: "app".into(), ..DatabaseConfig::default() };
        let mut newer = Config { databases: vec![database], ..Config::default() };
        let standing = newer.clone();
        newer.databases[0].pool.size = Some(3);
        newer.databases[0].tenants.push(TenantRule::default());
        let (config, kept) = standing.reloaded(newer.clone());
        assert_eq!((config.databases == newer.databases, kept.len()), (true, 0));
        newer.databases[0].tenant_column = "customer".into();
        let (config, kept) = standing.reloaded(newer);
        assert_eq!((config.databases[0].pool.size, kept), (Some(3), vec!["database"]));
        assert_eq!(config.databases[0].tenant_column, "tenant_id");
    }

    #[test]
    fn users_come_in_force_and_listeners_do_not() {
        let standing = Config::default();
        let mut newer = Config::default();
        newer.users.push(UserConfig { name: "new".into(), ..UserConfig::default() });
        newer.pool.size = 5;
        newer.proxy.listen[0].set_port(7000);
        let (config, kept) = standing.reloaded(newer);
        assert_eq!((config.users.len(), config.pool.size, config.proxy.listen[0].port()), (1, 5, 6432));
        assert_eq!(kept, ["proxy.listen"]);
    }
}
