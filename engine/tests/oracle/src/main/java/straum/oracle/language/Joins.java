package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.KeyValueMapper;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.ValueJoiner;
import org.apache.kafka.streams.state.KeyValueStore;
import straum.oracle.functions.Joiners;
import straum.oracle.functions.Selectors;

/** The nodes join, left_join and outer_join; what they join is told by the kinds of {@code from} and {@code with}. */
final class Joins {
    private final Handles handles;

    Joins(final Handles handles) {
        this.handles = handles;
    }

    boolean declare(final String op, final JsonNode node) {
        if (!op.equals("join") && !op.equals("left_join") && !op.equals("outer_join")) {
            return false;
        }
        if (handles.is(node, "from", KTable.class)) {
            handles.put(node, tables(op, node, handles.get(node, "from", KTable.class), handles.get(node, "with", KTable.class)));
        } else if (op.equals("outer_join")) {
            return false;
        } else if (handles.is(node, "with", GlobalKTable.class)) {
            handles.put(node, withGlobalTable(op, node, handles.get(node, "from", KStream.class)));
        } else {
            handles.put(node, withTable(op, node, handles.get(node, "from", KStream.class)));
        }
        return true;
    }

    private KStream<String, String> withTable(final String op, final JsonNode node, final KStream<String, String> stream) {
        final KTable<String, String> table = handles.get(node, "with", KTable.class);
        final Joined<String, String, String> joined =
            Joined.with(Serdes.String(), Serdes.String(), Serdes.String(), node.get("name").asText());
        final ValueJoiner<String, String, String> joiner = Joiners.of(node.get("joiner"));
        return op.equals("join") ? stream.join(table, joiner, joined) : stream.leftJoin(table, joiner, joined);
    }

    private KStream<String, String> withGlobalTable(final String op, final JsonNode node, final KStream<String, String> stream) {
        final GlobalKTable<String, String> table = handles.get(node, "with", GlobalKTable.class);
        final KeyValueMapper<String, String, String> key = Selectors.of(node.get("key"));
        final ValueJoiner<String, String, String> joiner = Joiners.of(node.get("joiner"));
        return op.equals("join") ? stream.join(table, key, joiner) : stream.leftJoin(table, key, joiner);
    }

    private static KTable<String, String> tables(
        final String op, final JsonNode node, final KTable<String, String> left, final KTable<String, String> right) {
        final ValueJoiner<String, String, String> joiner = Joiners.of(node.get("joiner"));
        final Optional<Materialized<String, String, KeyValueStore<Bytes, byte[]>>> store = Stores.optional(node);
        if (node.hasNonNull("name")) {
            final Named named = Named.as(node.get("name").asText());
            return switch (op) {
                case "join" -> store.map(s -> left.join(right, joiner, named, s)).orElseGet(() -> left.join(right, joiner, named));
                case "left_join" ->
                    store.map(s -> left.leftJoin(right, joiner, named, s)).orElseGet(() -> left.leftJoin(right, joiner, named));
                default ->
                    store.map(s -> left.outerJoin(right, joiner, named, s)).orElseGet(() -> left.outerJoin(right, joiner, named));
            };
        }
        return switch (op) {
            case "join" -> store.map(s -> left.join(right, joiner, s)).orElseGet(() -> left.join(right, joiner));
            case "left_join" -> store.map(s -> left.leftJoin(right, joiner, s)).orElseGet(() -> left.leftJoin(right, joiner));
            default -> store.map(s -> left.outerJoin(right, joiner, s)).orElseGet(() -> left.outerJoin(right, joiner));
        };
    }
}
