//! What a decision is made from, and the plans that every room makes of it.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Leg, Parameter, Plan, Role, SessionView, TenantKeys, Tenants, Verdict, Way};
use crate::catalog::Catalog;
use crate::directory::Directory;
use crate::ids::{ServerId, TenantKey};
use crate::sql::keys::{Reference, Touched};
use crate::sql::{Access, KeySet, Kind, Statement};

/// What a decision is made from.
pub(super) struct Request<'a> {
    pub(super) statement: &'a Statement,
    pub(super) directory: &'a Directory,
    pub(super) catalog: &'a Catalog,
    pub(super) session: &'a SessionView<'a>,
    pub(super) parameters: &'a [Parameter<'a>],
    /// The tenant that the session names, else the comment.
    pub(super) tenant: Option<TenantKey>,
}

impl Request<'_> {
    /// The statement whose relations count: the one inside EXPLAIN, DECLARE and COPY.
    pub(super) fn subject(&self) -> &Statement {
        self.statement.inner().map_or(self.statement, |inner| inner)
    }

    /// The relations that count.
    pub(super) fn touched(&self) -> &Touched {
        self.subject().touched()
    }

    /// The tenants whose rows a relation is asked for; `None` where it may be all.
    pub(super) fn keys_of(&self, reference: &Reference) -> Option<TenantKeys> {
        self.resolve(&reference.keys)
    }

    /// The tenants that a set names with these parameters; `None` where it may be all.
    pub(super) fn resolve(&self, set: &KeySet) -> Option<TenantKeys> {
        let subject = self.subject();
        set.resolve(self.parameters, |number| subject.infers_key(number))
    }

    /// Where a statement without tables runs when nothing says where.
    pub(super) fn stay(&self) -> ServerId {
        self.session.held.unwrap_or(ServerId::HOME)
    }

    /// The nodes that may run it, before moves are looked at.
    pub(super) fn role(&self) -> Role {
        match self.statement.access() {
            Access::Read if !self.session.read_write_transaction => Role::Replica,
            Access::Read | Access::Write => Role::Primary,
        }
    }

    /// A plan on one server.
    pub(super) fn single(
        &self,
        server: ServerId,
        text: Option<Arc<str>>,
        tenants: Tenants,
        why: impl Into<Cow<'static, str>>,
    ) -> Plan {
        let legs = [Leg { text, ..Leg::on(server) }].into();
        Plan { way: Way::Single, legs, role: self.role(), tenants, why: why.into() }
    }

    /// A plan that concerns no tenant. What reads the server's own state, as settings and clocks are,
    /// is answered by a primary.
    pub(super) fn beside(&self, server: ServerId, why: &'static str) -> Verdict {
        let plan = self.single(server, None, Tenants::None, why);
        let of_rows =
            matches!(self.subject().kind(), Kind::Query) && self.subject().calls().differs.is_none();
        Verdict::Run(if of_rows { plan } else { Plan { role: Role::Primary, ..plan } })
    }
}
