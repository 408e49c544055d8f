//! Whether what was there at the start has been read through: the source topics, and then, hop by hop, what became of it in the
//! repartition topics.

use straum::log::{Offset, TopicPartition};

/// Where an application is in a partition.
pub(super) struct Position {
    pub(super) partition: TopicPartition,
    /// The oldest offset there is.
    pub(super) start: Offset,
    /// What is committed as processed.
    pub(super) position: Offset,
    pub(super) end: Offset,
}

/// The first reading of an application.
pub(super) struct FirstReading {
    sources_are_read: bool,
    /// What is to be reached next.
    ends: Vec<(TopicPartition, Offset)>,
    /// How many repartition topics may still lie behind what is reached then: as many as there are, whatever way they are wired.
    hops: usize,
}

impl FirstReading {
    /// Begins where the source topics end now.
    pub(super) fn of(sources: &[Position], repartition_topics: usize) -> Self {
        Self { sources_are_read: false, ends: ends_of(sources), hops: repartition_topics }
    }

    /// Whether it is over, which it stays. `repartitions` is asked after `sources`, and each position in them was looked up before the
    /// end beside it: what is committed as processed has then been written before.
    ///
    /// # Errors
    /// That of `repartitions`.
    pub(super) fn is_over<E>(&mut self, sources: &[Position], repartitions: impl FnOnce() -> Result<Vec<Position>, E>) -> Result<bool, E> {
        let reached = |ends: &[(TopicPartition, Offset)], positions: &[Position]| {
            ends.iter().all(|(partition, end)| positions.iter().any(|at| at.partition == *partition && at.position >= *end))
        };
        if !self.sources_are_read && reached(&self.ends, sources) {
            self.sources_are_read = true;
            self.ends.clear();
        }
        if !self.sources_are_read || (self.hops == 0 && self.ends.is_empty()) {
            return Ok(self.sources_are_read);
        }
        let repartitions = repartitions()?;
        while reached(&self.ends, &repartitions) {
            self.ends.clear();
            if self.hops == 0 {
                return Ok(true);
            }
            self.hops -= 1;
            self.ends = ends_of(&repartitions);
        }
        Ok(false)
    }
}

fn ends_of(positions: &[Position]) -> Vec<(TopicPartition, Offset)> {
    positions.iter().map(|at| (at.partition.clone(), at.end)).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(topic: &str, position: Offset, end: Offset) -> Position {
        Position { partition: TopicPartition::new(topic, 0), start: 0, position, end }
    }

    /// Whether it is over at these positions and ends of "in", "first" and "second".
    fn is_over(reading: &mut FirstReading, [source, first, second]: [(Offset, Offset); 3]) -> bool {
        let repartitions = || Ok::<_, ()>(vec![at("first", first.0, first.1), at("second", second.0, second.1)]);
        reading.is_over(&[at("in", source.0, source.1)], repartitions).unwrap()
    }

    #[test]
    fn what_the_input_has_become_belongs_to_it_through_every_hop() {
        let mut reading = FirstReading::of(&[at("in", 0, 10)], 2);
        for (positions, over, why) in [
            ([(9, 12), (0, 5), (0, 0)], false, "the input is not read"),
            ([(10, 12), (3, 8), (2, 4)], false, "the first hop is not, as it was when the input was"),
            ([(11, 13), (8, 9), (3, 6)], false, "the second is not, as it was then"),
            ([(11, 13), (8, 9), (4, 7)], false, "the second is not, as it was when the first was read"),
            ([(11, 13), (9, 10), (7, 9)], true, "what has come since is not waited for"),
            ([(11, 99), (9, 99), (7, 99)], true, "it stays over"),
        ] {
            assert_eq!(is_over(&mut reading, positions), over, "{why}");
        }
    }

    #[test]
    fn nothing_to_read_is_read_but_for_what_an_earlier_start_left() {
        assert!(FirstReading::of(&[], 0).is_over(&[], || Err("is not asked")).unwrap());
        assert!(is_over(&mut FirstReading::of(&[at("in", 0, 0)], 1), [(0, 0), (3, 3), (0, 0)]));
        assert!(!is_over(&mut FirstReading::of(&[at("in", 5, 5)], 1), [(5, 5), (3, 4), (0, 0)]));
    }

    #[test]
    fn repartition_topics_are_asked_for_between_the_sources_end_and_its_own() {
        let mut reading = FirstReading::of(&[at("in", 0, 1)], 1);
        assert!(!reading.is_over(&[at("in", 0, 1)], || Err("too early")).unwrap());
        assert!(is_over(&mut reading, [(1, 1), (0, 0), (0, 0)]));
        assert!(reading.is_over(&[at("in", 1, 2)], || Err("too late")).unwrap());
    }
}
