//! What of a newer configuration can be put in force without a restart.

use super::settings::Config;

impl Config {
    /// The newer configuration, as far as it can be put in force now, and the keys whose change
    /// needs a restart; those keep their value.
    pub fn reloaded(&self, newer: Config) -> (Config, Vec<&'static str>) {
        let mut kept = Vec::new();
        let mut config = newer;
        keep(&mut kept, "proxy.id", &self.proxy.id, &mut config.proxy.id);
        keep(&mut kept, "proxy.listen", &self.proxy.listen, &mut config.proxy.listen);
        keep(&mut kept, "proxy.http_listen", &self.proxy.http_listen, &mut config.proxy.http_listen);
        let socket = (&self.proxy.unix_socket_dir, &mut config.proxy.unix_socket_dir);
        keep(&mut kept, "proxy.unix_socket_dir", socket.0, socket.1);
        let threads = (&self.proxy.worker_threads, &mut config.proxy.worker_threads);
        keep(&mut kept, "proxy.worker_threads", threads.0, threads.1);
        keep(&mut kept, "proxy.log_format", &self.proxy.log_format, &mut config.proxy.log_format);
        keep(&mut kept, "proxy.so_reuseport", &self.proxy.so_reuseport, &mut config.proxy.so_reuseport);
        keep(&mut kept, "proxy.peer_id", &self.proxy.peer_id, &mut config.proxy.peer_id);
        keep(&mut kept, "directory.store", &self.directory.store, &mut config.directory.store);
        keep(&mut kept, "database", &self.databases, &mut config.databases);
        keep(&mut kept, "server", &self.servers, &mut config.servers);
        keep(&mut kept, "admin", &self.admin, &mut config.admin);
        keep(&mut kept, "replicas", &self.replicas, &mut config.replicas);
        (config, kept)
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
    use crate::config::UserConfig;

    #[test]
    fn users_come_in_force_and_listeners_do_not() {
        let standing = Config::default();
        let mut newer = Config::default();
        newer.users.push(UserConfig { name: "new".into(), ..UserConfig::default() });
        newer.pool.size = 5;
        newer.proxy.listen.set_port(7000);
        let (config, kept) = standing.reloaded(newer);
        assert_eq!((config.users.len(), config.pool.size, config.proxy.listen.port()), (1, 5, 6432));
        assert_eq!(kept, ["proxy.listen"]);
    }
}
