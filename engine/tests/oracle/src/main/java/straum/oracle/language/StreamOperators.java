package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.BranchedKStream;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KeyValueMapper;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.ValueMapperWithKey;
import straum.oracle.functions.FlatMappers;
import straum.oracle.functions.Mappers;
import straum.oracle.functions.Predicates;
import straum.oracle.functions.Selectors;
import straum.oracle.functions.Topics;
import straum.oracle.processors.NumberingSupplier;
import straum.oracle.processors.TallySupplier;

/** Nodes whose {@code from} is a stream, except joins. */
final class StreamOperators {
    private final Handles handles;

    StreamOperators(final Handles handles) {
        this.handles = handles;
    }

    boolean declare(final String op, final JsonNode node) {
        if (handles.is(node, "from", Numbers.Stream.class)) {
            return declareOnNumbers(op, node);
        }
        if (!handles.is(node, "from", KStream.class)) {
            return false;
        }
        final KStream<String, String> stream = handles.get(node, "from", KStream.class);
        switch (op) {
            case "filter" -> handles.put(node, stream.filter(Predicates.of(node.get("predicate"))));
            case "filter_not" -> handles.put(node, stream.filterNot(Predicates.of(node.get("predicate"))));
            case "map" -> handles.put(node, stream.map(pairs(node)));
            case "map_values" -> handles.put(node, stream.mapValues(Mappers.of(node.get("mapper"))));
            case "flat_map" -> handles.put(node, stream.flatMap(FlatMappers.records(node.get("mapper"))));
            case "flat_map_values" -> handles.put(node, stream.flatMapValues(FlatMappers.values(node.get("mapper"))));
            case "select_key" -> handles.put(node, stream.selectKey(Selectors.of(node.get("key"))));
            case "peek" -> handles.put(node, stream.peek((key, value) -> { }));
            case "foreach" -> stream.foreach((key, value) -> { });
            case "merge" -> handles.put(node, stream.merge(handles.<KStream<String, String>>get(node, "with", KStream.class)));
            case "split" -> split(node, stream.split());
            case "repartition" -> handles.put(node, stream.repartition(repartitioned(node)));
            case "to" -> to(node, stream);
            case "to_table" -> handles.put(node, Stores.optional(node)
                .map(store -> stream.toTable(Named.as(node.get("name").asText()), store))
                .orElseGet(() -> stream.toTable(Named.as(node.get("name").asText()))));
            case "process" -> handles.put(node, stream.process(new TallySupplier(node)));
            case "process_values" -> handles.put(node, stream.processValues(new NumberingSupplier(node.get("store").asText())));
            case "group_by_key" -> handles.put(node, stream.groupByKey(grouped(node)));
            case "group_by" -> handles.put(node, stream.groupBy(Selectors.of(node.get("key")), grouped(node)));
            default -> {
                return false;
            }
        }
        return true;
    }

    private boolean declareOnNumbers(final String op, final JsonNode node) {
        final KStream<String, Long> stream = handles.<Numbers.Stream>get(node, "from", Numbers.Stream.class).stream();
        switch (op) {
            case "to" -> stream.to(node.get("topic").asText(), Produced.with(Serdes.String(), Serdes.Long()));
            case "map_values" -> {
                final ValueMapperWithKey<String, String, String> mapper = Mappers.of(node.get("mapper"));
                handles.put(node, stream.mapValues((key, value) -> mapper.apply(key, value == null ? null : value.toString())));
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    private void split(final JsonNode node, final BranchedKStream<String, String> split) {
        BranchedKStream<String, String> branches = split;
        for (final JsonNode branch : node.get("branches")) {
            branches = branches.branch(Predicates.of(branch.get("predicate")), Branched.as(branch.get("id").asText()));
        }
        final Map<String, KStream<String, String>> byName = node.hasNonNull("default")
            ? branches.defaultBranch(Branched.as(node.get("default").asText()))
            : branches.noDefaultBranch();
        // The key of the map is the splitter's generated name followed by the branch's own.
        byName.forEach((name, stream) -> handles.put(name.replaceFirst("^KSTREAM-BRANCH-[0-9]{10}", ""), stream));
    }

    private static void to(final JsonNode node, final KStream<String, String> stream) {
        final Produced<String, String> produced = Produced.with(Serdes.String(), Serdes.String());
        if (node.hasNonNull("extractor")) {
            stream.to(Topics.of(node.get("extractor")), produced);
        } else {
            stream.to(node.get("topic").asText(), produced);
        }
    }

    private static Repartitioned<String, String> repartitioned(final JsonNode node) {
        final Repartitioned<String, String> repartitioned =
            Repartitioned.<String, String>as(node.get("name").asText()).withKeySerde(Serdes.String()).withValueSerde(Serdes.String());
        return node.hasNonNull("partitions") ? repartitioned.withNumberOfPartitions(node.get("partitions").asInt()) : repartitioned;
    }

    static Grouped<String, String> grouped(final JsonNode node) {
        return Grouped.with(node.get("name").asText(), Serdes.String(), Serdes.String());
    }

    static KeyValueMapper<String, String, KeyValue<String, String>> pairs(final JsonNode node) {
        final KeyValueMapper<String, String, String> keys = Selectors.of(node.get("key"));
        final ValueMapperWithKey<String, String, String> values = Mappers.of(node.get("value"));
        return (key, value) -> KeyValue.pair(keys.apply(key, value), values.apply(key, value));
    }
}
