//! What each tenant's readers must see: the promise that nobody reads a state older than their own
//! writes, kept without a round trip.
//!
//! A write leaves a pin, the number of the first sample that covers it (`samples`), at its tenants.
//! A read asks for the highest pin that concerns it. Pins that all replicas in use have passed are
//! swept into one low-water mark that stands for them, so the table stays small and a replica that
//! comes back from afar is still held to it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use router::ids::{Lsn, TenantKey};
use router::plan::Tenants;

use super::samples::SampleNumber;
use super::server::{Requirement, Server};
use super::session_pin::SessionPin;
use crate::config::PinScope;

/// The pins of one database.
#[derive(Debug)]
pub struct Pins {
    scope: PinScope,
    /// By [`Server::number`].
    boards: DashMap<usize, Board>,
}

/// The pins of one database on one server. Of every mark only the highest counts.
#[derive(Debug, Default)]
struct Board {
    tenants: DashMap<TenantKey, SampleNumber>,
    /// Writes to rows of no single tenant: reference tables, all tenants, DDL.
    everyone: AtomicU64,
    /// Any write: what a read of all tenants must see.
    last_write: AtomicU64,
    /// Stands for the pins that were swept.
    low_water: AtomicU64,
    /// Pins set since the last sweep.
    since_sweep: AtomicUsize,
}

/// A sweep follows after so many pins.
const SWEEP_EVERY: usize = 1024;
/// With more pins than this after a sweep the low-water mark takes over for all of them.
const MOST_PINS: usize = 65_536;

impl Pins {
    /// No pins yet.
    pub fn new(scope: PinScope) -> Pins {
        Pins { scope, boards: DashMap::new() }
    }

    /// A write of these tenants on a server has just ended, well or badly: call it after the answer
    /// of the commit came in and before the client is told.
    pub fn wrote(&self, server: &Server, tenants: &Tenants, session: &mut SessionPin) {
        let pin = server.pin();
        session.wrote(server, pin);
        match self.scope {
            PinScope::Tenant if server.has_replicas() => {
                self.boards.entry(server.number()).or_default();
                if let Some(board) = self.boards.get(&server.number()) {
                    board.wrote(tenants, pin, server);
                }
            }
            PinScope::Tenant | PinScope::Session | PinScope::None => {}
        }
    }

    /// What a replica of a server must have replayed to answer a read of these tenants. `floor` is
    /// the directory's for the server ([`router::directory::Directory::floor`]).
    pub fn requirement(
        &self,
        server: &Server,
        tenants: &Tenants,
        session: &SessionPin,
        floor: Lsn,
    ) -> Requirement {
        if !server.has_replicas() {
            return Requirement::default();
        }
        let floor = Requirement { sample: SampleNumber::default(), lsn: floor };
        match self.scope {
            PinScope::None => floor.and(session.adopted(server)),
            PinScope::Session => floor.and(session.written(server)),
            PinScope::Tenant => {
                let board = self.boards.get(&server.number());
                let sample = board.map_or_else(SampleNumber::default, |board| board.required(tenants));
                floor.and(session.adopted(server)).and(Requirement { sample, lsn: Lsn::default() })
            }
        }
    }
}

impl Board {
    fn wrote(&self, tenants: &Tenants, pin: SampleNumber, server: &Server) {
        self.last_write.fetch_max(pin.0, Ordering::SeqCst);
        match tenants {
            Tenants::None | Tenants::All => {
                self.everyone.fetch_max(pin.0, Ordering::SeqCst);
            }
            Tenants::Some(keys) => {
                for key in keys {
                    self.set(key, pin);
                }
                self.sweep_when_due(keys.len(), server);
            }
        }
    }

    fn set(&self, key: &TenantKey, pin: SampleNumber) {
        if let Some(mut standing) = self.tenants.get_mut(key) {
            *standing = (*standing).max(pin);
            return;
        }
        let mut standing = self.tenants.entry(key.clone()).or_insert(pin);
        *standing = (*standing).max(pin);
    }

    /// The tenants' pins are read before the low-water mark: a sweep raises the mark before it
    /// removes a pin, so whoever misses the pin sees the mark.
    fn required(&self, tenants: &Tenants) -> SampleNumber {
        let own = match tenants {
            Tenants::None => SampleNumber::default(),
            Tenants::All => SampleNumber(self.last_write.load(Ordering::SeqCst)),
            Tenants::Some(keys) => {
                let pins = keys.iter().filter_map(|key| self.tenants.get(key).map(|pin| *pin));
                pins.max().unwrap_or_default()
            }
        };
        let everyone = SampleNumber(self.everyone.load(Ordering::SeqCst));
        let low_water = SampleNumber(self.low_water.load(Ordering::SeqCst));
        own.max(everyone).max(low_water)
    }

    fn sweep_when_due(&self, set: usize, server: &Server) {
        if self.since_sweep.fetch_add(set, Ordering::Relaxed) + set < SWEEP_EVERY {
            return;
        }
        self.since_sweep.store(0, Ordering::Relaxed);
        self.sweep(server.passed_by_all());
        if self.tenants.len() > MOST_PINS {
            self.sweep(server.pin());
        }
    }

    /// Lets the low-water mark stand for all pins up to `mark`.
    fn sweep(&self, mark: SampleNumber) {
        self.low_water.fetch_max(mark.0, Ordering::SeqCst);
        self.tenants.retain(|_, pin| *pin > mark);
    }
}

#[cfg(test)]
mod tests {
    use super::super::observe::{Observation, Observed};
    use super::*;
    use crate::config::{NodeAddress, ReplicasConfig, ServerConfig};

    fn server(nodes: u16) -> Server {
        let nodes = (1..=nodes).map(|port| NodeAddress { host: "h".into(), port }).collect();
        let config = ServerConfig { name: "alpha".into(), nodes, ..ServerConfig::default() };
        Server::new(&config, 0, &ReplicasConfig::default())
    }

    fn sample(server: &Server, insert: u64) {
        let number = server.begin_probe();
        let role = Observed::Primary { insert: Lsn(insert), timeline: 1 };
        server.answered(0, number, Observation { system: 1, role });
    }

    fn replay(server: &Server, index: usize, replayed: u64) {
        let number = server.begin_probe();
        let role = Observed::Replica { replayed: Lsn(replayed), timeline: Some(1) };
        server.answered(index, number, Observation { system: 1, role });
    }

    fn some(keys: &[i64]) -> Tenants {
        Tenants::Some(keys.iter().map(|key| TenantKey::Integer(*key)).collect())
    }

    fn may_read(pins: &Pins, server: &Server, tenants: &Tenants) -> bool {
        let requirement = pins.requirement(server, tenants, &SessionPin::default(), Lsn(0));
        server.replica(requirement).is_some()
    }

    #[test]
    fn a_tenant_that_wrote_is_read_on_a_replica_only_after_it_replayed_the_write() {
        let (pins, server) = (Pins::new(PinScope::Tenant), server(2));
        sample(&server, 100);
        replay(&server, 1, 100);
        assert!(may_read(&pins, &server, &some(&[5])));
        pins.wrote(&server, &some(&[5]), &mut SessionPin::default());
        assert!(!may_read(&pins, &server, &some(&[5])));
        assert!(!may_read(&pins, &server, &some(&[6, 5])));
        assert!(!may_read(&pins, &server, &Tenants::All));
        assert!(may_read(&pins, &server, &some(&[6])), "another tenant is not held up");
        assert!(may_read(&pins, &server, &Tenants::None));
        sample(&server, 150);
        assert!(!may_read(&pins, &server, &some(&[5])), "the replica is at 100");
        replay(&server, 1, 149);
        assert!(!may_read(&pins, &server, &some(&[5])));
        replay(&server, 1, 150);
        assert!(may_read(&pins, &server, &some(&[5])));
        assert!(may_read(&pins, &server, &Tenants::All));
    }

    #[test]
    fn a_sample_asked_for_before_the_write_ended_does_not_cover_it() {
        let (pins, server) = (Pins::new(PinScope::Tenant), server(2));
        sample(&server, 100);
        let number = server.begin_probe();
        pins.wrote(&server, &some(&[5]), &mut SessionPin::default());
        let role = Observed::Primary { insert: Lsn(120), timeline: 1 };
        server.answered(0, number, Observation { system: 1, role });
        replay(&server, 1, 120);
        assert!(!may_read(&pins, &server, &some(&[5])));
        sample(&server, 130);
        replay(&server, 1, 130);
        assert!(may_read(&pins, &server, &some(&[5])));
    }

    #[test]
    fn a_write_to_reference_tables_holds_everyone_up() {
        let (pins, server) = (Pins::new(PinScope::Tenant), server(2));
        sample(&server, 100);
        replay(&server, 1, 100);
        pins.wrote(&server, &Tenants::None, &mut SessionPin::default());
        assert!(!may_read(&pins, &server, &some(&[5])));
        assert!(!may_read(&pins, &server, &Tenants::None));
    }

    #[test]
    fn a_sweep_forgets_no_promise() {
        let (pins, server) = (Pins::new(PinScope::Tenant), server(3));
        sample(&server, 100);
        replay(&server, 1, 100);
        replay(&server, 2, 50);
        server.failed(2, "away".into());
        for key in 0..3000 {
            pins.wrote(&server, &some(&[key]), &mut SessionPin::default());
        }
        sample(&server, 200);
        replay(&server, 1, 200);
        for key in 3000..6000 {
            pins.wrote(&server, &some(&[key]), &mut SessionPin::default());
        }
        assert!(pins.boards.get(&0).expect("a board").tenants.len() < 6000, "something was swept");
        replay(&server, 2, 120);
        server.failed(1, "away".into());
        for key in 0..6000 {
            assert!(!may_read(&pins, &server, &some(&[key])), "tenant {key} on the replica at 120");
        }
    }

    #[test]
    fn pins_outlive_a_failover_and_are_met_by_a_sample_of_the_new_primary() {
        let (pins, server) = (Pins::new(PinScope::Tenant), server(3));
        sample(&server, 100);
        replay(&server, 2, 100);
        pins.wrote(&server, &some(&[5]), &mut SessionPin::default());
        server.failed(0, "dead".into());
        let promoted =
            |insert| Observation { system: 1, role: Observed::Primary { insert: Lsn(insert), timeline: 2 } };
        let follows = |replayed| Observation {
            system: 1,
            role: Observed::Replica { replayed: Lsn(replayed), timeline: Some(2) },
        };
        server.answered(2, server.begin_probe(), follows(500));
        assert!(!may_read(&pins, &server, &some(&[5])), "positions of another timeline tell nothing");
        server.answered(1, server.begin_probe(), promoted(300));
        server.answered(2, server.begin_probe(), follows(299));
        assert!(!may_read(&pins, &server, &some(&[5])));
        server.answered(2, server.begin_probe(), follows(300));
        assert!(may_read(&pins, &server, &some(&[5])));
        assert_eq!(server.primary().map(|node| node.port), Some(2));
    }

    #[test]
    fn the_scope_says_whose_reads_wait() {
        for (scope, own, other) in
            [(PinScope::Tenant, false, false), (PinScope::Session, false, true), (PinScope::None, true, true)]
        {
            let (pins, server) = (Pins::new(scope), server(2));
            sample(&server, 100);
            replay(&server, 1, 100);
            let mut session = SessionPin::default();
            pins.wrote(&server, &some(&[5]), &mut session);
            let requirement = |session| pins.requirement(&server, &some(&[5]), session, Lsn(0));
            assert_eq!(server.replica(requirement(&session)).is_some(), own, "{scope:?}");
            assert_eq!(server.replica(requirement(&SessionPin::default())).is_some(), other, "{scope:?}");
        }
    }

    #[test]
    fn a_floor_and_a_token_are_positions_to_replay() {
        let (pins, server) = (Pins::new(PinScope::Tenant), server(2));
        sample(&server, 100);
        replay(&server, 1, 100);
        let at = |floor| {
            server.replica(pins.requirement(&server, &some(&[5]), &SessionPin::default(), Lsn(floor)))
        };
        assert!(at(100).is_some());
        assert!(at(101).is_none());
    }

    #[test]
    fn without_replicas_nothing_is_kept() {
        let (pins, server) = (Pins::new(PinScope::Tenant), server(1));
        pins.wrote(&server, &some(&[5]), &mut SessionPin::default());
        assert!(pins.boards.is_empty());
    }
}
