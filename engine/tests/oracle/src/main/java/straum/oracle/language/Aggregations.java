package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Iterator;
import java.util.function.BinaryOperator;
import org.apache.kafka.streams.kstream.Aggregator;
import org.apache.kafka.streams.kstream.CogroupedKStream;
import org.apache.kafka.streams.kstream.Initializer;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Reducer;
import straum.oracle.functions.Aggregators;

/** Nodes whose {@code from} is a grouped stream or a grouped table, and cogroup. */
final class Aggregations {
    private final Handles handles;

    Aggregations(final Handles handles) {
        this.handles = handles;
    }

    boolean declare(final String op, final JsonNode node) {
        if (op.equals("cogroup")) {
            handles.put(node, cogroup(node));
            return true;
        }
        if (handles.is(node, "from", KGroupedStream.class)) {
            return declareOnStream(op, node, handles.get(node, "from", KGroupedStream.class));
        }
        if (handles.is(node, "from", KGroupedTable.class)) {
            return declareOnTable(op, node, handles.get(node, "from", KGroupedTable.class));
        }
        return false;
    }

    private boolean declareOnStream(final String op, final JsonNode node, final KGroupedStream<String, String> grouped) {
        switch (op) {
            case "count" -> handles.put(node, new Numbers.Table(grouped.count(Stores.numbers(node))));
            case "reduce" -> handles.put(node, grouped.reduce(reducer(node, "aggregator"), Stores.texts(node)));
            case "aggregate" -> handles.put(node,
                grouped.aggregate(initializer(node), aggregator(node, "aggregator"), Stores.texts(node)));
            default -> {
                return false;
            }
        }
        return true;
    }

    private boolean declareOnTable(final String op, final JsonNode node, final KGroupedTable<String, String> grouped) {
        switch (op) {
            case "count" -> handles.put(node, new Numbers.Table(grouped.count(Stores.numbers(node))));
            case "reduce" -> handles.put(node,
                grouped.reduce(reducer(node, "adder"), reducer(node, "subtractor"), Stores.texts(node)));
            case "aggregate" -> handles.put(node, grouped.aggregate(
                initializer(node), aggregator(node, "adder"), aggregator(node, "subtractor"), Stores.texts(node)));
            default -> {
                return false;
            }
        }
        return true;
    }

    private KTable<String, String> cogroup(final JsonNode node) {
        final Iterator<JsonNode> inputs = node.get("inputs").iterator();
        final JsonNode first = inputs.next();
        CogroupedKStream<String, String> cogrouped = grouped(first).cogroup(aggregator(first, "aggregator"));
        while (inputs.hasNext()) {
            final JsonNode next = inputs.next();
            cogrouped = cogrouped.cogroup(grouped(next), aggregator(next, "aggregator"));
        }
        return cogrouped.aggregate(initializer(node), Stores.texts(node));
    }

    private KGroupedStream<String, String> grouped(final JsonNode input) {
        return handles.get(input, "from", KGroupedStream.class);
    }

    private static Initializer<String> initializer(final JsonNode node) {
        final JsonNode initial = node.get("initial");
        return () -> initial.isNull() ? null : initial.asText();
    }

    private static Reducer<String> reducer(final JsonNode node, final String field) {
        return Aggregators.of(node.get(field))::apply;
    }

    private static Aggregator<String, String, String> aggregator(final JsonNode node, final String field) {
        final BinaryOperator<String> function = Aggregators.of(node.get(field));
        return (key, value, aggregate) -> function.apply(aggregate, value);
    }
}
