//! What a configuration says. Every field is a key of the file; `Default` is the value of a key
//! that is not there. A limit of `None` is written `0` in the file: no limit.
//!
//! | file | holds |
//! | --- | --- |
//! | `whole` | one configuration file |
//! | `proxy` | `[proxy]` |
//! | `database`, `bounds` | `[[database]]`; what databases, users and tenants may have of their own |
//! | `server` | `[directory]`, `[[server]]`, `[[peer]]` |
//! | `people` | `[[user]]`, `[auth]`, `[admin]` |
//! | `pool` | `[pool]` |
//! | `answers` | `[replicas]`, `[moves]`, `[merge]`, `[gather]` |

mod answers;
mod bounds;
mod database;
mod people;
mod pool;
mod proxy;
mod server;
mod whole;

pub use answers::{GatherConfig, MergeConfig, MovesConfig, PinScope, ReplicasConfig};
pub use bounds::{OwnPool, OwnTimeouts, PoolMode, RegionRule, TenantLimits, TenantRule};
pub use database::DatabaseConfig;
pub use people::{AdminConfig, AuthConfig, Password, UserConfig};
pub use pool::PoolConfig;
pub use proxy::{FileMode, Keepalive, LogFormat, ProxyConfig, ProxyProtocol};
pub use server::{DirectoryConfig, NodeAddress, PeerConfig, ServerConfig, StoreConfig, TlsMode};
pub use whole::Config;
