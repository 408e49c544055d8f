package straum.oracle.cases;

import static straum.oracle.fixtures.Json.fn;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Tables: sources, filters and mappings, each on stored and unstored tables, with and without a store of its own. */
final class TableCases {
    private static final JsonNode EVEN = fn("hash_mod", "of", "value", "n", 2, "is", 0);
    private static final JsonNode NULLS = fn("is_null", "of", "value");
    private static final JsonNode APPEND = fn("append", "x", "!");

    private TableCases() {
    }

    static List<Case> all() {
        final List<Case> cases = new ArrayList<>();
        cases.add(Case.of("table/stored", table("t-store").tableOut("t")));
        cases.add(Case.of("table/unmaterialised", table(null).tableOut("t")));
        cases.add(Case.of("table/timestamps", Sketch.of().node("table", "id", "t", "topic", "in", "store", "t-store",
            "timestamps", fn("from_value", "step", 100, "drop", 6)).tableOut("t")));
        cases.add(Case.of("to_stream/stored", table("t-store").tableOut("t").node("to", "from", "t-stream", "topic", "out2")));
        cases.add(Case.of("to_stream/unmaterialised-then-count", table(null)
            .node("to_stream", "id", "ts", "from", "t")
            .node("group_by_key", "id", "g", "from", "ts", "name", "changes")
            .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")));
        for (final String input : new String[] {"t-store", null}) {
            for (final String output : new String[] {"stored", null}) {
                final String variant = (input == null ? "unstored" : "stored") + (output == null ? "-to-unstored" : "-to-stored");
                cases.add(Case.of("table_filter/" + variant, table(input)
                    .node("filter", "id", "f", "from", "t", "predicate", EVEN, "store", output).tableOut("f")));
                cases.add(Case.of("table_filter_not/" + variant, table(input)
                    .node("filter_not", "id", "f", "from", "t", "predicate", EVEN, "store", output).tableOut("f")));
                cases.add(Case.of("table_map_values/" + variant, table(input)
                    .node("map_values", "id", "m", "from", "t", "mapper", APPEND, "store", output).tableOut("m")));
                cases.add(Case.of("table_map_values/to-null-" + variant, table(input)
                    .node("map_values", "id", "m", "from", "t", "mapper", fn("null_when", "n", 3, "is", 1), "store", output).tableOut("m")));
            }
        }
        cases.add(Case.of("table_filter/null-passes", table("t-store")
            .node("filter", "id", "f", "from", "t", "predicate", NULLS, "store", "f-store").tableOut("f")));
        cases.add(Case.of("table_filter/chain-then-group", table("t-store")
            .node("filter", "id", "f", "from", "t", "predicate", EVEN)
            .node("map_values", "id", "m", "from", "f", "mapper", APPEND)
            .node("group_by", "id", "g", "from", "m", "key", fn("bucket", "of", "value", "n", 4), "value", fn("identity"), "name", "grouped")
            .node("aggregate", "id", "a", "from", "g", "initial", "", "adder", fn("concat", "n", 24), "subtractor", fn("remove"),
                "store", "aggregated").tableOut("a")));
        return cases;
    }

    private static Sketch table(final String store) {
        return Sketch.of().node("table", "id", "t", "topic", "in", "store", store);
    }
}
