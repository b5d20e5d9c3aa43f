//! The phases of a move, and the step that leads from each to the next.
//!
//! ```text
//! Planned -Prepare-> Prepared -Copy-> Copied -CatchUp-> Streaming -Verify-> Verified -Arm-> Arming
//!   -Acknowledge-> Armed -Approach-> Frozen -Cut-> Cut -Drain-> Drained -Swap-> Swapped -Clean-> Done
//! Frozen, Cut, Drained: too late or interrupted -> Thawing -Thaw-> Armed
//! before Swapped: the stream is lost -> Prepared;  refused or aborted -> Aborting -Undo-> Aborted
//! ```
//!
//! Each step can be run again from its start.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::shard_move::ShardMove;
use crate::directory::{Change, MoveStage};

/// Copies that are made before a move is given up.
const COPIES: u32 = 5;

/// What is true of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It stands in the directory; nothing is made on the servers.
    Planned,
    /// Publication and origin stand, no proxy is without the mark.
    Prepared,
    /// The rows of one snapshot stand on the target, the stream begins there.
    Copied,
    /// The stream keeps up.
    Streaming,
    /// Both sides were equal at one point of the log.
    Verified,
    /// The fence stands and the directory says so.
    Arming,
    /// Each transaction of the scope on the source touches the fence.
    Armed,
    /// New statements of the scope wait.
    Frozen,
    /// Nothing of the scope runs on the source, nothing can; the cut is in the stream.
    Cut,
    /// The target has all that the source had.
    Drained,
    /// The placements are the target's.
    Swapped,
    /// Over, the source's rows are gone.
    Done,
    /// The freeze is to be lifted.
    Thawing,
    /// To be undone.
    Aborting,
    /// Over, nothing has moved.
    Aborted,
}

impl Phase {
    /// True where nothing is left to do.
    pub fn is_final(self) -> bool {
        matches!(self, Phase::Done | Phase::Aborted)
    }

    /// True until the placements have changed: the move can still be undone.
    pub fn can_abort(self) -> bool {
        match self {
            Phase::Swapped | Phase::Done | Phase::Aborting | Phase::Aborted => false,
            Phase::Planned
            | Phase::Prepared
            | Phase::Copied
            | Phase::Streaming
            | Phase::Verified
            | Phase::Arming
            | Phase::Armed
            | Phase::Frozen
            | Phase::Cut
            | Phase::Drained
            | Phase::Thawing => true,
        }
    }

    /// The word for it, as in the store.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Planned => "planned",
            Phase::Prepared => "prepared",
            Phase::Copied => "copied",
            Phase::Streaming => "streaming",
            Phase::Verified => "verified",
            Phase::Arming => "arming",
            Phase::Armed => "armed",
            Phase::Frozen => "frozen",
            Phase::Cut => "cut",
            Phase::Drained => "drained",
            Phase::Swapped => "swapped",
            Phase::Done => "done",
            Phase::Thawing => "thawing",
            Phase::Aborting => "aborting",
            Phase::Aborted => "aborted",
        }
    }

    /// What statements must know in this phase; `None` where the directory has no mark.
    fn stage(self) -> Option<MoveStage> {
        match self {
            Phase::Planned
            | Phase::Prepared
            | Phase::Copied
            | Phase::Streaming
            | Phase::Verified
            | Phase::Aborting => Some(MoveStage::Copying),
            Phase::Arming | Phase::Armed => Some(MoveStage::Armed),
            Phase::Frozen | Phase::Cut | Phase::Drained | Phase::Thawing => Some(MoveStage::Frozen),
            Phase::Swapped => Some(MoveStage::Swapped),
            Phase::Done | Phase::Aborted => None,
        }
    }
}

/// An act of the mover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Look once more whether the move is possible; make publication and origin.
    Prepare,
    /// Make the slot; copy the rows of its snapshot.
    Copy,
    /// Apply the stream until it keeps up.
    CatchUp,
    /// Compare both sides at one point of the log.
    Verify,
    /// Make the fence.
    Arm,
    /// Wait until no transaction runs that knows nothing of the fence.
    Acknowledge,
    /// Wait until the stream is so near that a freeze will be short.
    Approach,
    /// Close the fence behind the last transaction, put the cut into the stream.
    Cut,
    /// Wait for the cut at the target; raise its sequences; hide the source's rows.
    Drain,
    /// Note the floors.
    Swap,
    /// Delete the source's rows and all that was made for the move.
    Clean,
    /// Open the fence again.
    Thaw,
    /// Delete the target's rows and all that was made for the move.
    Undo,
}

impl Step {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Step::Prepare => "prepare",
            Step::Copy => "copy",
            Step::CatchUp => "stream",
            Step::Verify => "verify",
            Step::Arm => "arm",
            Step::Acknowledge => "acknowledge",
            Step::Approach => "approach",
            Step::Cut => "freeze",
            Step::Drain => "drain",
            Step::Swap => "swap",
            Step::Clean => "clean",
            Step::Thaw => "thaw",
            Step::Undo => "undo",
        }
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it was to make true is true.
    Done,
    /// It failed and may succeed when run again.
    Failed(String),
    /// The freeze took longer than its budget.
    Late(String),
    /// The slot, the origin's place or the copy is gone: copy again.
    Lost(String),
    /// It cannot succeed, or somebody asked to abort.
    Refused(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done => formatter.write_str("done"),
            Outcome::Failed(why) | Outcome::Late(why) | Outcome::Lost(why) | Outcome::Refused(why) => {
                formatter.write_str(why)
            }
        }
    }
}

/// What to do in a phase; `None` where the move is over.
pub fn next_step(phase: Phase) -> Option<Step> {
    match phase {
        Phase::Planned => Some(Step::Prepare),
        Phase::Prepared => Some(Step::Copy),
        Phase::Copied => Some(Step::CatchUp),
        Phase::Streaming => Some(Step::Verify),
        Phase::Verified => Some(Step::Arm),
        Phase::Arming => Some(Step::Acknowledge),
        Phase::Armed => Some(Step::Approach),
        Phase::Frozen => Some(Step::Cut),
        Phase::Cut => Some(Step::Drain),
        Phase::Drained => Some(Step::Swap),
        Phase::Swapped => Some(Step::Clean),
        Phase::Thawing => Some(Step::Thaw),
        Phase::Aborting => Some(Step::Undo),
        Phase::Done | Phase::Aborted => None,
    }
}

/// The move after the step of its phase ended so.
pub fn advance(mut shard_move: ShardMove, outcome: Outcome) -> ShardMove {
    let phase = shard_move.phase;
    match outcome {
        Outcome::Done => {
            shard_move.phase = after(phase);
            shard_move.attempts = 0;
            if phase != Phase::Thawing && phase != Phase::Aborting {
                shard_move.error = None;
            }
        }
        Outcome::Failed(why) => {
            shard_move.error = Some(why);
            shard_move.attempts += 1;
            shard_move.phase = unfrozen(phase);
        }
        Outcome::Late(why) => {
            shard_move.error = Some(why);
            shard_move.late += 1;
            shard_move.phase = unfrozen(phase);
        }
        Outcome::Lost(why) => {
            shard_move.error = Some(why);
            shard_move.attempts += 1;
            shard_move.lost += 1;
            if phase.can_abort() && shard_move.lost > COPIES {
                shard_move.phase = Phase::Aborting;
            } else if phase.can_abort() && phase > Phase::Prepared {
                shard_move.phase = Phase::Prepared;
            }
        }
        Outcome::Refused(why) => {
            shard_move.error = Some(why);
            shard_move.attempts += 1;
            if phase.can_abort() {
                shard_move.phase = Phase::Aborting;
            }
        }
    }
    shard_move
}

/// The phase in which a move goes on after the mover died in this one.
pub fn interrupted(phase: Phase) -> Phase {
    unfrozen(phase)
}

/// What the directory must learn when a move goes from one phase to the other, in the same
/// transaction of the store; `None` where statements see no difference.
pub fn directory_change(before: Phase, after: &ShardMove) -> Option<Change> {
    let id = after.id;
    match (before.stage(), after.phase.stage()) {
        (Some(_), None) => {
            Some(Change::End { id, target_floor: after.target_floor, source_floor: after.source_floor })
        }
        (Some(MoveStage::Swapped), Some(_)) | (None, _) => None,
        (Some(_), Some(MoveStage::Swapped)) => {
            Some(Change::Swap { id, target_floor: after.target_floor, source_floor: after.source_floor })
        }
        (Some(old), Some(new)) => (old != new).then_some(Change::Stage(id, new)),
    }
}

/// A freeze never outlives the failure of its step.
fn unfrozen(phase: Phase) -> Phase {
    match phase {
        Phase::Frozen | Phase::Cut | Phase::Drained => Phase::Thawing,
        Phase::Planned
        | Phase::Prepared
        | Phase::Copied
        | Phase::Streaming
        | Phase::Verified
        | Phase::Arming
        | Phase::Armed
        | Phase::Swapped
        | Phase::Done
        | Phase::Thawing
        | Phase::Aborting
        | Phase::Aborted => phase,
    }
}

fn after(phase: Phase) -> Phase {
    match phase {
        Phase::Planned => Phase::Prepared,
        Phase::Prepared => Phase::Copied,
        Phase::Copied => Phase::Streaming,
        Phase::Streaming => Phase::Verified,
        Phase::Verified => Phase::Arming,
        Phase::Arming => Phase::Armed,
        Phase::Armed => Phase::Frozen,
        Phase::Frozen => Phase::Cut,
        Phase::Cut => Phase::Drained,
        Phase::Drained => Phase::Swapped,
        Phase::Swapped => Phase::Done,
        Phase::Thawing => Phase::Armed,
        Phase::Aborting => Phase::Aborted,
        Phase::Done => Phase::Done,
        Phase::Aborted => Phase::Aborted,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::directory::{self, Scope, Start};
    use crate::ids::{Lsn, MoveId, ServerId, ShardId};
    use proptest::prelude::*;

    fn a_move() -> ShardMove {
        let scope = Scope::Shards(BTreeSet::from([ShardId(0)]));
        ShardMove::new(MoveId(1), scope, ServerId(0), ServerId(1))
    }

    #[test]
    fn a_move_without_trouble_is_done_and_its_directory_changes_are_lawful() {
        let servers = ["alpha".to_owned(), "beta".to_owned()];
        let mut directory = directory::start(&servers, 16, Start::Adopt(ServerId(0)));
        let mut shard_move = a_move();
        directory = directory::change(&directory, Change::Begin(shard_move.mark())).expect("it begins");
        let mut steps = Vec::new();
        while let Some(step) = next_step(shard_move.phase) {
            steps.push(step.word());
            let before = shard_move.phase;
            shard_move = advance(shard_move, Outcome::Done);
            if let Some(change) = directory_change(before, &shard_move) {
                directory = directory::change(&directory, change).expect("a lawful change");
            }
        }
        assert_eq!(shard_move.phase, Phase::Done);
        assert_eq!(
            steps.join(" "),
            "prepare copy stream verify arm acknowledge approach freeze drain swap clean"
        );
        assert!(directory.marks().is_empty());
        assert_eq!(directory.shards().next(), Some((ShardId(0), ServerId(1))));
    }

    #[test]
    fn a_freeze_is_lifted_when_it_is_late_or_interrupted() {
        for phase in [Phase::Frozen, Phase::Cut, Phase::Drained] {
            let frozen = ShardMove { phase, ..a_move() };
            let late = advance(frozen.clone(), Outcome::Late("a lock was held".into()));
            assert_eq!((late.phase, late.late), (Phase::Thawing, 1));
            assert_eq!(directory_change(phase, &late), None);
            assert_eq!(advance(frozen, Outcome::Failed("gone".into())).phase, Phase::Thawing);
            assert_eq!(interrupted(phase), Phase::Thawing);
            let armed = advance(late, Outcome::Done);
            assert_eq!(armed.phase, Phase::Armed);
            assert_eq!(
                directory_change(Phase::Thawing, &armed),
                Some(Change::Stage(MoveId(1), MoveStage::Armed))
            );
        }
    }

    #[test]
    fn a_move_that_is_lost_again_and_again_is_given_up() {
        let mut shard_move = ShardMove { phase: Phase::Streaming, ..a_move() };
        for _ in 0..COPIES {
            shard_move = advance(shard_move, Outcome::Lost("both differ".into()));
            assert_eq!(shard_move.phase, Phase::Prepared);
        }
        let given_up = advance(shard_move, Outcome::Lost("both differ".into()));
        assert_eq!(given_up.phase, Phase::Aborting);
        assert_eq!(given_up.error.as_deref(), Some("both differ"));
    }

    #[test]
    fn a_swapped_move_cannot_be_aborted_nor_copied_again() {
        let swapped = ShardMove { phase: Phase::Swapped, target_floor: Lsn(5), ..a_move() };
        assert_eq!(advance(swapped.clone(), Outcome::Refused("no".into())).phase, Phase::Swapped);
        assert_eq!(advance(swapped, Outcome::Lost("slot".into())).phase, Phase::Swapped);
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            8 => Just(Outcome::Done),
            1 => Just(Outcome::Failed("f".into())),
            1 => Just(Outcome::Late("l".into())),
            1 => Just(Outcome::Lost("g".into())),
            1 => Just(Outcome::Refused("r".into())),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_each_directory_change_is_lawful(outcomes in prop::collection::vec((outcome(), any::<bool>()), 0..80)) {
            let servers = ["alpha".to_owned(), "beta".to_owned()];
            let mut directory = directory::start(&servers, 16, Start::Adopt(ServerId(0)));
            let mut shard_move = a_move();
            directory = directory::change(&directory, Change::Begin(shard_move.mark())).unwrap();
            for (outcome, dies) in outcomes {
                let before = shard_move.phase;
                if dies {
                    shard_move.phase = interrupted(before);
                } else if next_step(before).is_some() {
                    shard_move = advance(shard_move, outcome);
                }
                if let Some(change) = directory_change(before, &shard_move) {
                    directory = directory::change(&directory, change).unwrap();
                }
                prop_assert_eq!(directory.marks().first().map(|mark| mark.stage), shard_move.phase.stage());
            }
        }
    }
}
