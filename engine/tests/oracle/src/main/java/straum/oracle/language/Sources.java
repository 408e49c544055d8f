package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import straum.oracle.functions.Timestamps;

/** Nodes that read a topic: stream, table, global_table. */
final class Sources {
    private final StreamsBuilder builder;
    private final Handles handles;

    Sources(final StreamsBuilder builder, final Handles handles) {
        this.builder = builder;
        this.handles = handles;
    }

    boolean declare(final String op, final JsonNode node) {
        final String topic = node.path("topic").asText();
        switch (op) {
            case "stream" -> handles.put(node, builder.stream(topic, consumed(node)));
            case "table" -> handles.put(node, Stores.optional(node)
                .map(store -> builder.table(topic, consumed(node), store))
                .orElseGet(() -> builder.table(topic, consumed(node))));
            case "global_table" -> handles.put(node, Stores.optional(node)
                .map(store -> builder.globalTable(topic, consumed(node), store))
                .orElseGet(() -> builder.globalTable(topic, consumed(node))));
            default -> {
                return false;
            }
        }
        return true;
    }

    private static Consumed<String, String> consumed(final JsonNode node) {
        final Consumed<String, String> consumed = Consumed.with(Serdes.String(), Serdes.String());
        return node.hasNonNull("timestamps") ? consumed.withTimestampExtractor(Timestamps.of(node.get("timestamps"))) : consumed;
    }
}
