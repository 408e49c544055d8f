package straum.oracle.cases;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.ArrayList;
import java.util.List;
import straum.oracle.fixtures.Json;

/** Writes a description, a node at a time. */
final class Sketch {
    private final ArrayNode nodes = Json.MAPPER.createArrayNode();

    static Sketch of() {
        return new Sketch();
    }

    /** A stream with id {@code s} of the topic {@code in}. */
    static Sketch ofStream() {
        return of().node("stream", "id", "s", "topic", "in");
    }

    /** A stored table with id {@code t} of the topic {@code in}. */
    static Sketch ofTable() {
        return of().node("table", "id", "t", "topic", "in", "store", "t-store");
    }

    /** Stored tables {@code l} of the topic {@code left} and {@code r} of {@code right}. */
    static Sketch ofTables() {
        return of().node("table", "id", "l", "topic", "left", "store", "l-store")
            .node("table", "id", "r", "topic", "right", "store", "r-store");
    }

    Sketch node(final String op, final Object... fields) {
        nodes.add(Json.object("op", op).setAll(Json.object(fields)));
        return this;
    }

    /** Writes a stream to the topic {@code out}. */
    Sketch out(final String stream) {
        return node("to", "from", stream, "topic", "out");
    }

    /** Writes a table to the topic {@code out}. */
    Sketch tableOut(final String table) {
        return node("to_stream", "id", table + "-stream", "from", table).out(table + "-stream");
    }

    JsonNode json() {
        return nodes;
    }

    /** The topics that a description reads. */
    static List<String> sourceTopics(final JsonNode topology) {
        final List<String> topics = new ArrayList<>();
        for (final JsonNode node : topology) {
            if (List.of("stream", "table", "global_table").contains(node.get("op").asText())) {
                topics.add(node.get("topic").asText());
            }
        }
        return topics;
    }
}
