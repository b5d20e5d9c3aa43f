//! Who is primary and which replicas count, from what the nodes say of themselves. Pure.
//!
//! Of two nodes that say they are primary the one with the higher timeline is believed, for a
//! promotion raises it; a timeline lower than one already seen is never believed again, so a former
//! primary that comes back gets no writes. A replica counts while it streams the primary's timeline:
//! log positions of another timeline tell nothing.

use std::time::{Duration, Instant};

use router::ids::Lsn;

use super::observe::{Observation, Observed};
use super::samples::{SampleNumber, Samples};
use crate::config::NodeAddress as Node;

/// What a node is to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// Takes the writes.
    Primary,
    /// Follows the primary.
    Replica,
    /// Not used now.
    Unusable {
        /// Why, for people.
        reason: String,
    },
}

/// One node as it stands.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// The node.
    pub node: Node,
    /// What it is.
    pub role: NodeRole,
    /// The primary's insert position or the replica's replay position, as last seen.
    pub lsn: Lsn,
    /// The latest sample of the primary that it has replayed.
    pub passed: SampleNumber,
    /// Bytes of log that it has not replayed yet.
    pub lag_bytes: u64,
    /// The age of the oldest log position that it has not replayed yet.
    pub lag: Duration,
    /// When it last answered a probe.
    pub last_seen: Option<Instant>,
}

/// What the proxy knows of one node: its latest answer, or why there is none.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) node: Node,
    pub(super) answer: Result<Observation, String>,
    pub(super) last_seen: Option<Instant>,
    /// Since when nothing at all was heard of it, not even a refusal.
    pub(super) silent_since: Option<Instant>,
}

impl Report {
    pub(super) fn of(node: Node) -> Report {
        Report { node, answer: Err("not probed yet".to_owned()), last_seen: None, silent_since: None }
    }
}

/// What is remembered from one judgement to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The primary, by its index among the nodes.
    pub(super) primary: Option<usize>,
    /// The last node that was primary.
    last_primary: Option<usize>,
    /// The highest timeline of a primary so far.
    timeline: u32,
    /// The identifier of the first primary seen.
    system: Option<i64>,
}

/// What a judgement found besides the roles.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Remark {
    /// Another node than before is primary: samples of the old one are void.
    NewPrimary,
    /// Several nodes say they are primary.
    TwoPrimaries(Vec<usize>),
}

/// Elects the primary among the reports.
pub(super) fn elect(reports: &[Report], memory: &mut Memory) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let claims: Vec<(u32, usize, i64)> = reports
        .iter()
        .enumerate()
        .filter_map(|(index, report)| match report.answer.as_ref().ok()? {
            Observation { system, role: Observed::Primary { timeline, .. } } => {
                Some((*timeline, index, *system))
            }
            Observation { role: Observed::Replica { .. }, .. } => None,
        })
        .filter(|(timeline, _, system)| {
            *timeline >= memory.timeline && memory.system.is_none_or(|known| known == *system)
        })
        .collect();
    if claims.len() > 1 {
        remarks.push(Remark::TwoPrimaries(claims.iter().map(|(_, index, _)| *index).collect()));
    }
    // With one timeline the standing primary is kept.
    let best =
        claims.iter().max_by_key(|(timeline, index, _)| (*timeline, Some(*index) == memory.last_primary));
    memory.primary = best.map(|(_, index, _)| *index);
    if let Some((timeline, index, system)) = best {
        let new = memory.last_primary != Some(*index) || memory.timeline != *timeline;
        memory.timeline = *timeline;
        memory.last_primary = Some(*index);
        memory.system = Some(*system);
        if new {
            remarks.push(Remark::NewPrimary);
        }
    }
    remarks
}

/// Every node's standing under the elected primary.
pub(super) fn stand(reports: &[Report], memory: &Memory, samples: &Samples, now: Instant) -> Vec<NodeStatus> {
    reports.iter().enumerate().map(|(index, report)| judge(index, report, memory, samples, now)).collect()
}

fn judge(index: usize, report: &Report, memory: &Memory, samples: &Samples, now: Instant) -> NodeStatus {
    let (role, lsn) = match &report.answer {
        Err(reason) => (unusable(reason), Lsn::default()),
        Ok(observation) => role_of(index, observation, memory),
    };
    let (passed, lag_bytes, lag) = match (&role, samples.latest()) {
        (NodeRole::Replica, Some((_, newest))) => {
            (samples.passed(lsn), newest.0.saturating_sub(lsn.0), samples.behind(lsn, now))
        }
        (NodeRole::Replica | NodeRole::Primary | NodeRole::Unusable { .. }, _) => {
            (SampleNumber::default(), 0, Duration::ZERO)
        }
    };
    NodeStatus { node: report.node.clone(), role, lsn, passed, lag_bytes, lag, last_seen: report.last_seen }
}

fn role_of(index: usize, observation: &Observation, memory: &Memory) -> (NodeRole, Lsn) {
    let stranger = memory.system.is_some_and(|known| known != observation.system);
    match &observation.role {
        Observed::Primary { insert, .. } if stranger => (unusable(OTHER_SYSTEM), *insert),
        Observed::Primary { insert, .. } if memory.primary == Some(index) => (NodeRole::Primary, *insert),
        Observed::Primary { insert, timeline } => (
            unusable(&format!(
                "says it is primary on timeline {timeline}, but timeline {} was promoted over it",
                memory.timeline
            )),
            *insert,
        ),
        Observed::Replica { replayed, .. } if stranger => (unusable(OTHER_SYSTEM), *replayed),
        Observed::Replica { replayed, timeline: None } => (
            unusable(
                "does not stream from a primary (or the admin role lacks pg_read_all_stats and can not tell)",
            ),
            *replayed,
        ),
        // While no primary was seen yet there is nothing to compare with, and nothing passed.
        Observed::Replica { replayed, timeline: Some(timeline) }
            if memory.timeline != 0 && *timeline != memory.timeline =>
        {
            let reason =
                format!("streams timeline {timeline}, the primary writes timeline {}", memory.timeline);
            (unusable(&reason), *replayed)
        }
        Observed::Replica { replayed, timeline: Some(_) } => (NodeRole::Replica, *replayed),
    }
}

const OTHER_SYSTEM: &str = "belongs to another database system than the server's primary";

fn unusable(reason: &str) -> NodeRole {
    NodeRole::Unusable { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        Node { host: "h".into(), port: 1 }
    }

    fn report(role: Observed) -> Report {
        Report {
            node: node(),
            answer: Ok(Observation { system: 7, role }),
            last_seen: None,
            silent_since: None,
        }
    }

    fn primary(timeline: u32) -> Report {
        report(Observed::Primary { insert: Lsn(100), timeline })
    }

    fn replica(timeline: u32) -> Report {
        report(Observed::Replica { replayed: Lsn(100), timeline: Some(timeline) })
    }

    fn away() -> Report {
        Report::of(node())
    }

    fn is_unusable(status: &NodeStatus) -> bool {
        matches!(status.role, NodeRole::Unusable { .. })
    }

    #[test]
    fn a_promoted_replica_becomes_primary_and_the_old_one_stays_out() {
        let mut memory = Memory::default();
        assert_eq!(elect(&[primary(1), replica(1)], &mut memory), [Remark::NewPrimary]);
        assert_eq!(elect(&[away(), replica(1)], &mut memory), []);
        assert_eq!(memory.primary, None);
        assert_eq!(elect(&[away(), primary(2)], &mut memory), [Remark::NewPrimary]);
        assert_eq!(memory.primary, Some(1));
        assert_eq!(elect(&[primary(1), away()], &mut memory), []);
        assert_eq!(memory.primary, None, "a former primary gets no writes");
    }

    #[test]
    fn of_two_primaries_the_higher_timeline_is_believed() {
        let mut memory = Memory::default();
        elect(&[primary(1), replica(1)], &mut memory);
        let remarks = elect(&[primary(1), primary(2)], &mut memory);
        assert_eq!(remarks, [Remark::TwoPrimaries(vec![0, 1]), Remark::NewPrimary]);
        assert_eq!(memory.primary, Some(1));
        let roles = stand(&[primary(1), primary(2)], &memory, &Samples::default(), Instant::now());
        assert!(is_unusable(&roles[0]));
        assert_eq!(roles[1].role, NodeRole::Primary);
    }

    #[test]
    fn of_two_primaries_on_one_timeline_the_standing_one_is_kept() {
        let mut memory = Memory::default();
        elect(&[primary(3), away()], &mut memory);
        elect(&[primary(3), primary(3)], &mut memory);
        assert_eq!(memory.primary, Some(0));
    }

    #[test]
    fn a_replica_of_another_timeline_is_not_read() {
        let mut memory = Memory::default();
        let reports = [primary(2), replica(1), replica(2)];
        elect(&reports, &mut memory);
        let roles = stand(&reports, &memory, &Samples::default(), Instant::now());
        assert!(is_unusable(&roles[1]));
        assert_eq!(roles[2].role, NodeRole::Replica);
    }

    #[test]
    fn a_node_of_another_system_is_not_used() {
        let mut memory = Memory::default();
        elect(&[primary(1)], &mut memory);
        let mut stranger = primary(9);
        stranger.answer =
            Ok(Observation { system: 8, role: Observed::Primary { insert: Lsn(1), timeline: 9 } });
        let reports = [primary(1), stranger];
        elect(&reports, &mut memory);
        assert_eq!(memory.primary, Some(0));
        assert!(is_unusable(&stand(&reports, &memory, &Samples::default(), Instant::now())[1]));
    }

    #[test]
    fn a_primary_that_comes_back_unchanged_keeps_its_samples() {
        let mut memory = Memory::default();
        elect(&[primary(1)], &mut memory);
        elect(&[away()], &mut memory);
        assert_eq!(elect(&[primary(1)], &mut memory), []);
    }
}
