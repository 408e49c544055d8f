package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Predicate;
import org.apache.kafka.streams.kstream.ValueMapperWithKey;
import straum.oracle.functions.Mappers;
import straum.oracle.functions.Predicates;

/** Nodes whose {@code from} is a table, except joins. */
final class TableOperators {
    private final Handles handles;

    TableOperators(final Handles handles) {
        this.handles = handles;
    }

    boolean declare(final String op, final JsonNode node) {
        if (handles.is(node, "from", Numbers.Table.class)) {
            return declareOnNumbers(op, node);
        }
        if (!handles.is(node, "from", KTable.class)) {
            return false;
        }
        final KTable<String, String> table = handles.get(node, "from", KTable.class);
        switch (op) {
            case "filter" -> {
                final Predicate<String, String> predicate = Predicates.of(node.get("predicate"));
                handles.put(node, Stores.optional(node)
                    .map(store -> table.filter(predicate, store)).orElseGet(() -> table.filter(predicate)));
            }
            case "filter_not" -> {
                final Predicate<String, String> predicate = Predicates.of(node.get("predicate"));
                handles.put(node, Stores.optional(node)
                    .map(store -> table.filterNot(predicate, store)).orElseGet(() -> table.filterNot(predicate)));
            }
            case "map_values" -> {
                final ValueMapperWithKey<String, String, String> mapper = Mappers.of(node.get("mapper"));
                handles.put(node, Stores.optional(node)
                    .map(store -> table.mapValues(mapper, store)).orElseGet(() -> table.mapValues(mapper)));
            }
            case "to_stream" -> handles.put(node, table.toStream());
            case "group_by" -> handles.put(node, table.groupBy(StreamOperators.pairs(node), StreamOperators.grouped(node)));
            default -> {
                return false;
            }
        }
        return true;
    }

    private boolean declareOnNumbers(final String op, final JsonNode node) {
        final KTable<String, Long> table = handles.<Numbers.Table>get(node, "from", Numbers.Table.class).table();
        switch (op) {
            case "to_stream" -> handles.put(node, new Numbers.Stream(table.toStream()));
            case "map_values" -> {
                final ValueMapperWithKey<String, String, String> texts = Mappers.of(node.get("mapper"));
                final ValueMapperWithKey<String, Long, String> mapper =
                    (key, value) -> texts.apply(key, value == null ? null : value.toString());
                handles.put(node, Stores.optional(node)
                    .map(store -> table.mapValues(mapper, store)).orElseGet(() -> table.mapValues(mapper)));
            }
            default -> {
                return false;
            }
        }
        return true;
    }
}
