package straum.oracle.cases;

import static straum.oracle.fixtures.Json.array;
import static straum.oracle.fixtures.Json.fn;
import static straum.oracle.fixtures.Json.object;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/** Grouping, and what grouped streams and grouped tables become. */
final class AggregationCases {
    private static final JsonNode BUCKET = fn("bucket", "of", "value", "n", 5);
    private static final JsonNode CONCAT = fn("concat", "n", 24);
    private static final JsonNode ADD = fn("add");
    private static final JsonNode SUBTRACT = fn("subtract");
    private static final JsonNode REMOVE = fn("remove");

    private AggregationCases() {
    }

    static List<Case> all() {
        return List.of(
            Case.of("count/by-key", byKey().node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("count/by-value", byValue().node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("count/then-map", byKey().node("count", "id", "c", "from", "g", "store", "counts")
                .node("map_values", "id", "m", "from", "c", "mapper", fn("append", "x", " st.")).tableOut("m")),
            Case.of("count/then-map-stored", byKey().node("count", "id", "c", "from", "g", "store", "counts")
                .node("map_values", "id", "m", "from", "c", "mapper", fn("identity"), "store", "texts").tableOut("m")),
            Case.of("count/on-table", onTable().node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("reduce/concat", byKey().node("reduce", "id", "a", "from", "g", "aggregator", CONCAT, "store", "reduced").tableOut("a")),
            Case.of("reduce/max-by-value", byValue()
                .node("reduce", "id", "a", "from", "g", "aggregator", fn("max"), "store", "reduced").tableOut("a")),
            Case.of("reduce/null-result", byKey()
                .node("reduce", "id", "a", "from", "g", "aggregator", fn("null_when", "n", 7, "is", 3, "else", CONCAT), "store", "reduced")
                .tableOut("a")),
            Case.of("reduce/on-table-numbers", onTable()
                .node("reduce", "id", "a", "from", "g", "adder", ADD, "subtractor", SUBTRACT, "store", "reduced").tableOut("a")),
            Case.of("reduce/on-table-texts", onTable()
                .node("reduce", "id", "a", "from", "g", "adder", CONCAT, "subtractor", REMOVE, "store", "reduced").tableOut("a")),
            Case.of("aggregate/concat", byKey()
                .node("aggregate", "id", "a", "from", "g", "initial", "", "aggregator", CONCAT, "store", "aggregated").tableOut("a")),
            Case.of("aggregate/sum-by-value", byValue()
                .node("aggregate", "id", "a", "from", "g", "initial", "0", "aggregator", ADD, "store", "aggregated").tableOut("a")),
            Case.of("aggregate/null-initial", byKey()
                .node("aggregate", "id", "a", "from", "g", "initial", null, "aggregator", CONCAT, "store", "aggregated").tableOut("a")),
            Case.of("aggregate/null-result", byKey()
                .node("aggregate", "id", "a", "from", "g", "initial", "", "aggregator",
                    fn("null_when", "n", 5, "is", 2, "else", CONCAT), "store", "aggregated").tableOut("a")),
            Case.of("aggregate/on-table-numbers", onTable()
                .node("aggregate", "id", "a", "from", "g", "initial", "0", "adder", ADD, "subtractor", SUBTRACT, "store", "aggregated")
                .tableOut("a")),
            Case.of("aggregate/on-table-texts", onTable()
                .node("aggregate", "id", "a", "from", "g", "initial", "", "adder", CONCAT, "subtractor", REMOVE, "store", "aggregated")
                .tableOut("a")),
            Case.of("aggregate/on-table-null-result", onTable()
                .node("aggregate", "id", "a", "from", "g", "initial", "", "adder", fn("null_when", "n", 5, "is", 2, "else", CONCAT),
                    "subtractor", REMOVE, "store", "aggregated").tableOut("a")),
            Case.of("cogroup/one", byKey()
                .node("cogroup", "id", "a", "inputs", array(object("from", "g", "aggregator", CONCAT)), "initial", "", "store", "cogrouped")
                .tableOut("a")),
            Case.of("cogroup/two-topics", byKey()
                .node("stream", "id", "s2", "topic", "in2")
                .node("group_by_key", "id", "g2", "from", "s2", "name", "by-key-2")
                .node("cogroup", "id", "a", "inputs", array(object("from", "g", "aggregator", CONCAT), object("from", "g2", "aggregator", REMOVE)),
                    "initial", "", "store", "cogrouped").tableOut("a")),
            Case.of("cogroup/one-rekeyed", byValue()
                .node("stream", "id", "s2", "topic", "in2")
                .node("group_by_key", "id", "g2", "from", "s2", "name", "by-key")
                .node("cogroup", "id", "a", "inputs", array(object("from", "g", "aggregator", ADD), object("from", "g2", "aggregator", SUBTRACT)),
                    "initial", "0", "store", "cogrouped").tableOut("a")),
            Case.of("group_by_key/rekeyed-before", Sketch.ofStream()
                .node("select_key", "id", "k", "from", "s", "key", BUCKET)
                .node("group_by_key", "id", "g", "from", "k", "name", "rekeyed")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("group_by_key/two-aggregates", Sketch.ofStream()
                .node("select_key", "id", "k", "from", "s", "key", BUCKET)
                .node("group_by_key", "id", "g", "from", "k", "name", "rekeyed")
                .node("count", "id", "c", "from", "g", "store", "counts")
                .node("reduce", "id", "a", "from", "g", "aggregator", CONCAT, "store", "reduced")
                .node("to_stream", "id", "cs", "from", "c").node("to", "from", "cs", "topic", "out-counts").tableOut("a")),
            Case.of("group_by/value-char", Sketch.ofStream()
                .node("group_by", "id", "g", "from", "s", "key", fn("value_char"), "name", "by-letter")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("group_by/table-same-key", Sketch.ofTable()
                .node("group_by", "id", "g", "from", "t", "key", fn("keep"), "value", fn("identity"), "name", "kept")
                .node("aggregate", "id", "a", "from", "g", "initial", "", "adder", CONCAT, "subtractor", REMOVE, "store", "aggregated")
                .tableOut("a")),
            Case.of("group_by/table-null-key", Sketch.ofTable()
                .node("group_by", "id", "g", "from", "t", "key", fn("null_when", "of", "value", "n", 3, "is", 0), "value", fn("identity"), "name", "some")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("group_by/table-null-value", Sketch.ofTable()
                .node("group_by", "id", "g", "from", "t", "key", BUCKET, "value", fn("null_when", "n", 3, "is", 0), "name", "some")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("group_by/table-unmaterialised", Sketch.of()
                .node("table", "id", "t", "topic", "in")
                .node("group_by", "id", "g", "from", "t", "key", BUCKET, "value", fn("hash"), "name", "hashed")
                .node("reduce", "id", "a", "from", "g", "adder", ADD, "subtractor", SUBTRACT, "store", "reduced").tableOut("a")),
            Case.of("group_by/table-filtered", Sketch.ofTable()
                .node("filter", "id", "f", "from", "t", "predicate", fn("hash_mod", "of", "value", "n", 2, "is", 0))
                .node("group_by", "id", "g", "from", "f", "key", BUCKET, "value", fn("hash"), "name", "hashed")
                .node("reduce", "id", "a", "from", "g", "adder", ADD, "subtractor", SUBTRACT, "store", "reduced").tableOut("a")));
    }

    private static Sketch byKey() {
        return Sketch.ofStream().node("group_by_key", "id", "g", "from", "s", "name", "by-key");
    }

    private static Sketch byValue() {
        return Sketch.ofStream().node("group_by", "id", "g", "from", "s", "key", BUCKET, "name", "by-value");
    }

    private static Sketch onTable() {
        return Sketch.ofTable().node("group_by", "id", "g", "from", "t", "key", BUCKET, "value", fn("identity"), "name", "by-value");
    }
}
