package straum.oracle.cases;

import static straum.oracle.fixtures.Json.fn;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Every join: table with table, stream with table, stream with global table. */
final class JoinCases {
    private static final JsonNode PAIR = fn("pair");
    private static final JsonNode SOMETIMES_NULL = fn("null_when", "n", 4, "is", 1, "else", PAIR);
    private static final JsonNode BUCKET = fn("bucket", "of", "value", "n", 5);

    private JoinCases() {
    }

    static List<Case> all() {
        final List<Case> cases = new ArrayList<>();
        for (final String op : List.of("join", "left_join", "outer_join")) {
            tables(op, cases);
        }
        for (final String op : List.of("join", "left_join")) {
            streamWithTable(op, cases);
            streamWithGlobalTable(op, cases);
        }
        cases.add(Case.of("global_table/stored", Sketch.ofStream()
            .node("global_table", "id", "gt", "topic", "global-in", "store", "global-store").out("s")));
        cases.add(Case.of("global_table/timestamps", Sketch.ofStream()
            .node("global_table", "id", "gt", "topic", "global-in", "store", "global-store",
                "timestamps", fn("from_value", "step", 100, "drop", 6)).out("s")));
        return cases;
    }

    private static void tables(final String op, final List<Case> cases) {
        final String file = "table_table_" + op;
        cases.add(Case.of(file + "/unstored", Sketch.ofTables()
            .node(op, "id", "j", "from", "l", "with", "r", "joiner", PAIR).tableOut("j")));
        cases.add(Case.of(file + "/stored", Sketch.ofTables()
            .node(op, "id", "j", "from", "l", "with", "r", "joiner", PAIR, "store", "joined").tableOut("j")));
        cases.add(Case.of(file + "/null-result", Sketch.ofTables()
            .node(op, "id", "j", "from", "l", "with", "r", "joiner", SOMETIMES_NULL, "store", "joined").tableOut("j")));
        cases.add(Case.of(file + "/unstored-sources", Sketch.of()
            .node("table", "id", "l", "topic", "left").node("table", "id", "r", "topic", "right")
            .node(op, "id", "j", "from", "l", "with", "r", "joiner", PAIR).tableOut("j")));
        cases.add(Case.of(file + "/filtered-and-mapped", Sketch.ofTables()
            .node("filter", "id", "f", "from", "l", "predicate", fn("hash_mod", "of", "value", "n", 2, "is", 0))
            .node("map_values", "id", "m", "from", "r", "mapper", fn("append", "x", "!"))
            .node(op, "id", "j", "from", "f", "with", "m", "joiner", PAIR).tableOut("j")));
        cases.add(Case.of(file + "/then-grouped", Sketch.ofTables()
            .node(op, "id", "j", "from", "l", "with", "r", "joiner", fn("sum"))
            .node("group_by", "id", "g", "from", "j", "key", BUCKET, "value", fn("identity"), "name", "sums")
            .node("reduce", "id", "a", "from", "g", "adder", fn("add"), "subtractor", fn("subtract"), "store", "reduced").tableOut("a")));
        cases.add(Case.of(file + "/diamond", Sketch.ofTable()
            .node("filter", "id", "f", "from", "t", "predicate", fn("hash_mod", "of", "value", "n", 2, "is", 0))
            .node("map_values", "id", "m", "from", "t", "mapper", fn("append", "x", "!"))
            .node(op, "id", "j", "from", "f", "with", "m", "joiner", PAIR, "store", "joined").tableOut("j")));
    }

    private static void streamWithTable(final String op, final List<Case> cases) {
        final String file = "stream_table_" + op;
        cases.add(Case.of(file + "/same-key", streamAndTable("t-store")
            .node(op, "id", "j", "from", "s", "with", "t", "joiner", PAIR, "name", "joined").out("j")));
        cases.add(Case.of(file + "/null-result", streamAndTable("t-store")
            .node(op, "id", "j", "from", "s", "with", "t", "joiner", SOMETIMES_NULL, "name", "joined").out("j")));
        cases.add(Case.of(file + "/unstored-table", streamAndTable(null)
            .node(op, "id", "j", "from", "s", "with", "t", "joiner", PAIR, "name", "joined").out("j")));
        cases.add(Case.of(file + "/rekeyed", streamAndTable("t-store")
            .node("select_key", "id", "k", "from", "s", "key", fn("null_when", "of", "value", "n", 4, "is", 0))
            .node(op, "id", "j", "from", "k", "with", "t", "joiner", PAIR, "name", "joined").out("j")));
        cases.add(Case.of(file + "/filtered-table", streamAndTable("t-store")
            .node("filter", "id", "f", "from", "t", "predicate", fn("hash_mod", "of", "value", "n", 2, "is", 0))
            .node("map_values", "id", "m", "from", "f", "mapper", fn("append", "x", "!"))
            .node(op, "id", "j", "from", "s", "with", "m", "joiner", PAIR, "name", "joined").out("j")));
        cases.add(Case.of(file + "/own-count", Sketch.ofStream()
            .node("group_by_key", "id", "g", "from", "s", "name", "by-key")
            .node("count", "id", "c", "from", "g", "store", "counts")
            .node("map_values", "id", "m", "from", "c", "mapper", fn("identity"))
            .node(op, "id", "j", "from", "s", "with", "m", "joiner", PAIR, "name", "joined").out("j")));
        cases.add(Case.of(file + "/joined-table", streamAndTable("t-store")
            .node("table", "id", "t2", "topic", "table2", "store", "t2-store")
            .node("left_join", "id", "tt", "from", "t", "with", "t2", "joiner", PAIR)
            .node(op, "id", "j", "from", "s", "with", "tt", "joiner", PAIR, "name", "joined").out("j")));
    }

    private static void streamWithGlobalTable(final String op, final List<Case> cases) {
        final String file = "stream_global_table_" + op;
        cases.add(Case.of(file + "/by-value", streamAndGlobalTable()
            .node(op, "id", "j", "from", "s", "with", "gt", "key", fn("value_char"), "joiner", PAIR).out("j")));
        cases.add(Case.of(file + "/by-key", streamAndGlobalTable()
            .node(op, "id", "j", "from", "s", "with", "gt", "key", fn("keep"), "joiner", PAIR).out("j")));
        cases.add(Case.of(file + "/null-result", streamAndGlobalTable()
            .node(op, "id", "j", "from", "s", "with", "gt", "key", fn("value_char"), "joiner", SOMETIMES_NULL).out("j")));
        cases.add(Case.of(file + "/rekeyed-then-count", streamAndGlobalTable()
            .node("select_key", "id", "k", "from", "s", "key", BUCKET)
            .node(op, "id", "j", "from", "k", "with", "gt", "key", fn("value_char"), "joiner", PAIR)
            .node("group_by_key", "id", "g", "from", "j", "name", "joined")
            .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")));
    }

    private static Sketch streamAndTable(final String store) {
        return Sketch.ofStream().node("table", "id", "t", "topic", "table", "store", store);
    }

    private static Sketch streamAndGlobalTable() {
        return Sketch.ofStream().node("global_table", "id", "gt", "topic", "global-in", "store", "global-store");
    }
}
