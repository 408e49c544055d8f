package straum.oracle.cases;

import static straum.oracle.fixtures.Json.array;
import static straum.oracle.fixtures.Json.fn;
import static straum.oracle.fixtures.Json.object;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Topologies whose printed form is worth pinning beside those that are run: named joins, shared sources, many subtopologies. */
final class DescribeCases {
    private static final JsonNode PAIR = fn("pair");
    private static final JsonNode BUCKET = fn("bucket", "of", "value", "n", 5);
    private static final JsonNode EVEN = fn("hash_mod", "of", "value", "n", 2, "is", 0);

    private DescribeCases() {
    }

    static List<Case> all() {
        final List<Case> cases = new ArrayList<>();
        for (final String op : List.of("join", "left_join", "outer_join")) {
            for (final String store : new String[] {"joined", null}) {
                cases.add(Case.of("describe/table-table-" + op + "-named-" + (store == null ? "unstored" : "stored"), Sketch.ofTables()
                    .node(op, "id", "j", "from", "l", "with", "r", "joiner", PAIR, "name", "both", "store", store).tableOut("j")));
            }
        }
        cases.add(Case.of("describe/source-without-use", Sketch.ofStream()));
        cases.add(Case.of("describe/two-independent", Sketch.ofStream().out("s")
            .node("stream", "id", "s2", "topic", "in2").node("to", "from", "s2", "topic", "out2")));
        cases.add(Case.of("describe/three-hops", Sketch.ofStream()
            .node("group_by", "id", "g", "from", "s", "key", BUCKET, "name", "first")
            .node("count", "id", "c", "from", "g", "store", "first-counts")
            .node("map_values", "id", "m", "from", "c", "mapper", fn("identity"))
            .node("to_stream", "id", "ms", "from", "m")
            .node("group_by", "id", "g2", "from", "ms", "key", fn("value_char"), "name", "second")
            .node("reduce", "id", "r", "from", "g2", "aggregator", fn("max"), "store", "second-max")
            .node("group_by", "id", "g3", "from", "r", "key", BUCKET, "value", fn("identity"), "name", "third")
            .node("aggregate", "id", "a", "from", "g3", "initial", "0", "adder", fn("add"), "subtractor", fn("subtract"), "store", "third-sums")
            .tableOut("a")));
        cases.add(Case.of("describe/one-repartition-for-two-readers", Sketch.ofStream()
            .node("select_key", "id", "k", "from", "s", "key", BUCKET)
            .node("repartition", "id", "r", "from", "k", "name", "spread")
            .node("group_by_key", "id", "g", "from", "r", "name", "a")
            .node("count", "id", "c", "from", "g", "store", "counts")
            .node("group_by_key", "id", "g2", "from", "r", "name", "b")
            .node("reduce", "id", "m", "from", "g2", "aggregator", fn("max"), "store", "maxima")
            .node("to_stream", "id", "cs", "from", "c").node("to", "from", "cs", "topic", "out-counts").tableOut("m")));
        cases.add(Case.of("describe/one-rekeyed-stream-grouped-twice", Sketch.ofStream()
            .node("select_key", "id", "k", "from", "s", "key", BUCKET)
            .node("group_by_key", "id", "g", "from", "k", "name", "a")
            .node("count", "id", "c", "from", "g", "store", "counts")
            .node("group_by_key", "id", "g2", "from", "k", "name", "b")
            .node("reduce", "id", "m", "from", "g2", "aggregator", fn("max"), "store", "maxima").tableOut("m")));
        cases.add(Case.of("describe/global-table-unnamed-store", Sketch.ofStream()
            .node("global_table", "id", "gt", "topic", "global-in", "store", null)
            .node("join", "id", "j", "from", "s", "with", "gt", "key", fn("value"), "joiner", PAIR).out("j")));
        cases.add(Case.of("describe/two-global-tables", Sketch.ofStream()
            .node("global_table", "id", "g1", "topic", "global-1", "store", "one")
            .node("global_table", "id", "g2", "topic", "global-2", "store", "two")
            .node("join", "id", "j", "from", "s", "with", "g1", "key", fn("value"), "joiner", PAIR)
            .node("left_join", "id", "j2", "from", "j", "with", "g2", "key", fn("keep"), "joiner", PAIR).out("j2")));
        cases.add(Case.of("describe/split-chain", Sketch.ofStream()
            .node("split", "from", "s", "default", "rest", "branches", array(
                object("id", "a", "predicate", EVEN), object("id", "b", "predicate", fn("is_null", "of", "key"))))
            .node("map_values", "id", "a2", "from", "a", "mapper", fn("append", "x", "!"))
            .node("merge", "id", "m", "from", "a2", "with", "rest")
            .node("foreach", "from", "b").out("m")));
        cases.add(Case.of("describe/every-stateless", Sketch.ofStream()
            .node("filter", "id", "n1", "from", "s", "predicate", EVEN)
            .node("filter_not", "id", "n2", "from", "n1", "predicate", EVEN)
            .node("map", "id", "n3", "from", "n2", "key", BUCKET, "value", fn("identity"))
            .node("map_values", "id", "n4", "from", "n3", "mapper", fn("identity"))
            .node("flat_map", "id", "n5", "from", "n4", "mapper", fn("repeat", "n", 3))
            .node("flat_map_values", "id", "n6", "from", "n5", "mapper", fn("repeat", "n", 3))
            .node("select_key", "id", "n7", "from", "n6", "key", BUCKET)
            .node("peek", "id", "n8", "from", "n7")
            .node("to", "from", "n8", "extractor", fn("by_hash", "of", "key", "topics", array("out")))));
        cases.add(Case.of("describe/joins-bring-sources-together", Sketch.ofStream()
            .node("stream", "id", "s2", "topic", "in2")
            .node("table", "id", "t", "topic", "table", "store", "t-store")
            .node("join", "id", "j", "from", "s", "with", "t", "joiner", PAIR, "name", "first")
            .node("select_key", "id", "k", "from", "s2", "key", BUCKET)
            .node("left_join", "id", "j2", "from", "k", "with", "t", "joiner", PAIR, "name", "second")
            .node("merge", "id", "m", "from", "j", "with", "j2").out("m")));
        cases.add(Case.of("describe/old-values-travel-up", Sketch.of()
            .node("table", "id", "t", "topic", "in")
            .node("filter", "id", "f", "from", "t", "predicate", EVEN)
            .node("map_values", "id", "m", "from", "f", "mapper", fn("append", "x", "!"))
            .node("group_by", "id", "g", "from", "m", "key", BUCKET, "value", fn("identity"), "name", "grouped")
            .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")));
        return cases;
    }
}
