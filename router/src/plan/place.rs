//! Which servers tenants are on, and what moves ask of the plans that concern them.

use smallvec::SmallVec;

use super::request::Request;
use super::{Leg, Plan, Role, Tenants, Verdict, Way};
use crate::directory::{Directory, MoveMark, MoveStage};
use crate::ids::{MoveId, ServerId, TenantKey};

/// The moves that a plan meets.
#[derive(Debug, Clone, Default)]
pub(super) struct Placing {
    /// Few, each once, as the fences are.
    frozen: Vec<MoveId>,
    /// Fences by the server that has them.
    fences: Vec<(ServerId, String)>,
}

impl Placing {
    /// The servers of these tenants, in order.
    pub(super) fn tenants(
        &mut self,
        directory: &Directory,
        tenants: &[TenantKey],
    ) -> SmallVec<[ServerId; 4]> {
        let mut servers = SmallVec::new();
        for tenant in tenants {
            let place = directory.locate(tenant);
            servers.push(place.server);
            if let Some(mark) = place.mark {
                self.meet(mark);
            }
        }
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// Every tenant is meant.
    pub(super) fn all(&mut self, directory: &Directory) {
        for mark in directory.marks() {
            self.meet(mark);
        }
    }

    fn meet(&mut self, mark: &MoveMark) {
        if mark.stage == MoveStage::Frozen {
            once(&mut self.frozen, mark.id);
        }
        if let Some(fence) = mark.fence() {
            once(&mut self.fences, (mark.from, fence));
        }
    }

    /// The verdict for what primaries of these servers do in a way of its own, and why.
    pub(super) fn apart(
        self,
        request: &Request<'_>,
        servers: impl IntoIterator<Item = ServerId>,
        tenants: Tenants,
        (way, why): (Way, &'static str),
    ) -> Verdict {
        let legs = servers.into_iter().map(Leg::on).collect();
        self.verdict(request, Plan { way, legs, role: Role::Primary, tenants, why: why.into() })
    }

    /// The plan with its fences, or the wait for the moves that have frozen what it needs. A move
    /// waits for whoever holds its fence, so that one must not wait for the move.
    pub(super) fn verdict(self, request: &Request<'_>, mut plan: Plan) -> Verdict {
        if self.frozen.is_empty() && self.fences.is_empty() {
            return Verdict::Run(plan);
        }
        let waits: Vec<MoveId> =
            self.frozen.into_iter().filter(|id| !request.session.fenced.contains(id)).collect();
        if !waits.is_empty() {
            return Verdict::Wait(waits);
        }
        if !self.fences.is_empty() {
            plan.role = Role::Primary;
        }
        for leg in &mut plan.legs {
            let fences = self.fences.iter().filter(|(server, _)| *server == leg.server);
            leg.fences.extend(fences.map(|(_, fence)| fence.clone()));
        }
        Verdict::Run(plan)
    }
}

/// Adds what is not there yet, in order.
fn once<T: Ord>(all: &mut Vec<T>, one: T) {
    if let Err(place) = all.binary_search(&one) {
        all.insert(place, one);
    }
}
