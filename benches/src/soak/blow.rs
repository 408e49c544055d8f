//! What the soak does to the instances and the broker: drawn from a deck that holds every kind in its share.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::soak::instance::{Guarantee, Point};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// Kill -9 of an instance, at a point of its threads or at any time, and its restart.
    Kill(Option<Point>),
    /// Kill -9, and again while the restarted instance reads its changelogs.
    KillInRestore,
    /// An instance leaves, is back, and is killed with -9 while tasks move to it.
    KillInRebalance,
    /// SIGSTOP until the group has given the instance up, at a point of its threads or at any time, then SIGCONT.
    Pause(Option<Point>),
    /// Kill -9 of the broker, and its restart.
    KillBroker,
    /// All connections to the broker are cut.
    CutAll,
    /// The connections of one instance are cut.
    CutOne,
    /// One instance hears no answers for a while, then its connections are cut.
    LoseAnswers,
    /// Two of the three instances close, and are back once the third has all tasks.
    Scale {
        /// They leave the group instead of waiting for its session time-out.
        leave: bool,
    },
}

const DECK: [Blow; 20] = [
    Blow::Kill(None),
    Blow::Pause(Some(Point::BeforeOffsets)),
    Blow::Kill(Some(Point::BeforeCommit)),
    Blow::KillBroker,
    Blow::KillInRestore,
    Blow::LoseAnswers,
    Blow::Kill(Some(Point::MidRecord)),
    Blow::Scale { leave: true },
    Blow::KillInRebalance,
    Blow::CutAll,
    Blow::Kill(Some(Point::BeforeOffsets)),
    Blow::Pause(None),
    Blow::Kill(Some(Point::BetweenCommitAndApply)),
    Blow::CutOne,
    Blow::Kill(Some(Point::MidChangelog)),
    Blow::Scale { leave: false },
    Blow::Pause(Some(Point::BeforeCommit)),
    Blow::KillBroker,
    Blow::Kill(None),
    Blow::CutAll,
];

/// The name of its kind, as reports have it.
impl fmt::Display for Blow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kill(_) => "kill -9",
            Self::KillInRestore => "kill -9 twice, the second in a restore",
            Self::KillInRebalance => "kill -9 in a rebalance",
            Self::Pause(_) => "paused past the session time-out",
            Self::KillBroker => "kill -9 of the broker",
            Self::CutAll => "connections of all cut",
            Self::CutOne => "connections of one cut",
            Self::LoseAnswers => "answers to one lost, then cut",
            Self::Scale { leave: false } => "scaled 3 to 1 to 3 by closing",
            Self::Scale { leave: true } => "scaled 3 to 1 to 3 by leaving",
        })
    }
}

/// The same seed gives the same faults on the same instances.
#[derive(Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// Of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end.max(1)
    }

    /// So many faults: decks, each shuffled.
    ///
    /// Nobody is paused at least once: nothing fences what an instance that wakes up still sends, so its changelog records may
    /// overwrite those of whoever has had the task since. Kafka Streams promises no more.
    pub fn blows(&mut self, count: usize, guarantee: Guarantee) -> Vec<Blow> {
        let mut blows = Vec::new();
        while blows.len() < count {
            let mut deck = DECK.to_vec();
            deck.retain(|blow| guarantee == Guarantee::ExactlyOnce || !matches!(blow, Blow::Pause(_)));
            while !deck.is_empty() {
                let index = usize::try_from(self.below(deck.len() as u64)).unwrap_or(0);
                blows.push(deck.swap_remove(index));
            }
        }
        blows.truncate(count);
        blows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_faults_and_every_deck_has_all() {
        let blows = |seed: u64| Chance::new(seed).blows(40, Guarantee::ExactlyOnce);
        assert_ne!(blows(7), blows(8));
        let (blows, again) = (blows(7), blows(7));
        assert_eq!(blows, again);
        assert!(!Chance::new(7).blows(40, Guarantee::AtLeastOnce).iter().any(|blow| matches!(blow, Blow::Pause(_))));
        for deck in blows.chunks(20) {
            assert!(DECK.iter().all(|blow| deck.contains(blow)), "{deck:?}");
        }
    }
}
