package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;

/** Turns a description into a Kafka Streams topology, node by node in the order given, since the order numbers the nodes. */
public final class Interpreter {
    private Interpreter() {
    }

    public static Topology topology(final JsonNode description) {
        final StreamsBuilder builder = new StreamsBuilder();
        final Handles handles = new Handles();
        final Sources sources = new Sources(builder, handles);
        final StreamOperators streams = new StreamOperators(handles);
        final TableOperators tables = new TableOperators(handles);
        final Aggregations aggregations = new Aggregations(handles);
        final Joins joins = new Joins(handles);
        for (final JsonNode node : description) {
            final String op = node.path("op").asText();
            final boolean known = sources.declare(op, node) || joins.declare(op, node) || streams.declare(op, node)
                || tables.declare(op, node) || aggregations.declare(op, node);
            if (!known) {
                throw new IllegalArgumentException("this operator does not fit its input: " + node);
            }
        }
        return builder.build();
    }
}
