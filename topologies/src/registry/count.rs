//! `count`: how often each word has come. The topology to try things with.

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::serde::{Json, SerdeExt, Utf8};
use straum::{BoxError, Topology};

use super::{Generated, Settings, StoreDefinition, TopicDefinition, TopologyDefinition, Wish, only};

const WORDS: [&str; 8] = ["elv", "bekk", "straum", "foss", "stryk", "kulp", "os", "fjord"];

/// Counts the words of `words` (text) by word into `counts` (JSON numbers).
pub(super) struct Count;

impl TopologyDefinition for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn about(&self) -> &'static str {
        "counts words: topic words -> store words-counted -> topic counts"
    }

    fn application_id(&self) -> &'static str {
        "count"
    }

    fn build(&self, settings: &Settings) -> Result<Topology, BoxError> {
        only(settings, &[])?;
        let builder = StreamsBuilder::new();
        builder
            .stream("words", Consumed::with(Utf8.nullable(), Utf8.nullable()))
            .map_values(Option::unwrap_or_default)
            .filter(|_, word| !word.is_empty())
            .group_by("by-word", |_, word| word.clone(), Grouped::with(Utf8, Utf8))
            .count(Materialized::named("words-counted"))
            .to_stream()
            .to("counts", Produced::with(Utf8, Json::<i64>::new()));
        Ok(builder.build()?)
    }

    fn topics(&self) -> Vec<TopicDefinition> {
        let topic = |name| TopicDefinition { name, partitions: 2, config: &[] };
        vec![topic("words"), topic("counts")]
    }

    fn stores(&self) -> Vec<StoreDefinition> {
        vec![StoreDefinition::json::<String, i64>("words-counted", "how often each word has come", |text| Some(text.to_owned()))]
    }

    fn generate(&self, wish: Wish) -> Option<Box<dyn Iterator<Item = Generated>>> {
        let mut state = wish.seed;
        let records = (0..wish.records).filter_map(move |number| {
            // Knuth's MMIX generator: its high bits are even enough for words.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let word = WORDS.get(usize::try_from(state >> 61).ok()?)?;
            Some(Generated { key: None, value: Some(word.as_bytes().to_vec()), timestamp: i64::try_from(number).ok()? })
        });
        Some(Box::new(records))
    }
}
