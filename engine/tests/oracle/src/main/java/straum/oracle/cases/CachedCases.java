package straum.oracle.cases;

import static straum.oracle.fixtures.Json.array;
import static straum.oracle.fixtures.Json.fn;
import static straum.oracle.fixtures.Json.object;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import straum.oracle.run.CachedRun;

/**
 * What runs on a live broker with caching on. Each topology runs with a cache that holds everything until the commit and
 * with one that evicts. Where two tasks follow each other a small cache is given to one of them only: a thread's tasks share
 * its cache, and how they take turns is nobody's promise.
 */
public final class CachedCases {
    private static final long LARGE = 10L * 1024 * 1024;
    private static final long SMALL = 400;
    private static final int RECORDS = 300;
    private static final JsonNode BUCKET = fn("bucket", "of", "value", "n", 5);
    private static final JsonNode CONCAT = fn("concat", "n", 24);
    private static final JsonNode PAIR = fn("pair");
    private static final JsonNode EVEN = fn("hash_mod", "of", "value", "n", 2, "is", 0);

    private final List<CachedRun> runs = new ArrayList<>();

    private CachedCases() {
    }

    public static List<CachedRun> all() {
        final CachedCases cases = new CachedCases();
        cases.streams();
        cases.tables();
        cases.groupedTables();
        return cases.runs;
    }

    private void streams() {
        both("count", grouped().node("count", "id", "c", "from", "g", "store", "counts").tableOut("c"));
        both("reduce", grouped().node("reduce", "id", "a", "from", "g", "aggregator", CONCAT, "store", "reduced").tableOut("a"));
        both("aggregate", grouped()
            .node("aggregate", "id", "a", "from", "g", "initial", "", "aggregator", CONCAT, "store", "aggregated").tableOut("a"));
        both("aggregate-null-result", grouped()
            .node("aggregate", "id", "a", "from", "g", "initial", "", "aggregator",
                fn("null_when", "n", 3, "is", 1, "else", CONCAT), "store", "aggregated").tableOut("a"));
        both("aggregate-twice", grouped()
            .node("aggregate", "id", "a", "from", "g", "initial", "", "aggregator", CONCAT, "store", "aggregated")
            .node("filter", "id", "f", "from", "a", "predicate", EVEN, "store", "filtered").tableOut("f"));
        both("to-table", Sketch.ofStream()
            .node("to_table", "id", "t", "from", "s", "name", "tabled", "store", "t-store").tableOut("t"));
        both("cogroup", grouped()
            .node("stream", "id", "s2", "topic", "in2")
            .node("group_by_key", "id", "g2", "from", "s2", "name", "by-key-2")
            .node("cogroup", "id", "a", "inputs", array(object("from", "g", "aggregator", CONCAT), object("from", "g2", "aggregator", fn("remove"))),
                "initial", "", "store", "cogrouped").tableOut("a"));
        add("count-rekeyed", "large", LARGE, Sketch.ofStream()
            .node("group_by", "id", "g", "from", "s", "key", BUCKET, "name", "by-value")
            .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c"));
        add("count-of-counts", "large", LARGE, grouped()
            .node("count", "id", "c", "from", "g", "store", "counts")
            .node("map_values", "id", "m", "from", "c", "mapper", fn("identity"))
            .node("group_by", "id", "g2", "from", "m", "key", fn("value"), "value", fn("identity"), "name", "by-count")
            .node("count", "id", "c2", "from", "g2", "store", "counts-of-counts").tableOut("c2"));
    }

    private void tables() {
        both("table", Sketch.ofTable().tableOut("t"));
        both("table-filter", Sketch.ofTable().node("filter", "id", "f", "from", "t", "predicate", EVEN, "store", "f-store").tableOut("f"));
        both("table-filter-unstored", Sketch.ofTable().node("filter", "id", "f", "from", "t", "predicate", EVEN).tableOut("f"));
        both("table-map-values", Sketch.ofTable()
            .node("map_values", "id", "m", "from", "t", "mapper", fn("append", "x", "!"), "store", "m-store").tableOut("m"));
        for (final String op : List.of("join", "left_join", "outer_join")) {
            both("table-table-" + op, Sketch.ofTables().node(op, "id", "j", "from", "l", "with", "r", "joiner", PAIR).tableOut("j"));
            both("table-table-" + op + "-stored", Sketch.ofTables()
                .node(op, "id", "j", "from", "l", "with", "r", "joiner", PAIR, "store", "joined").tableOut("j"));
        }
        both("stream-table-join", Sketch.ofStream().node("table", "id", "t", "topic", "in2", "store", "t-store")
            .node("join", "id", "j", "from", "s", "with", "t", "joiner", PAIR, "name", "joined").out("j"));
    }

    private void groupedTables() {
        for (final String kind : List.of("count", "reduce", "aggregate")) {
            add("table-" + kind, "large", LARGE, groupedTable(kind, true, true));
            add("table-" + kind, "small-source", SMALL, groupedTable(kind, true, false));
            add("table-" + kind, "small-result", SMALL, groupedTable(kind, false, true));
        }
    }

    private static Sketch groupedTable(final String kind, final boolean sourceCached, final boolean resultCached) {
        final Sketch sketch = Sketch.of()
            .node("table", "id", "t", "topic", "in", "store", "t-store", "caching", sourceCached)
            .node("group_by", "id", "g", "from", "t", "key", BUCKET, "value", fn("identity"), "name", "by-value");
        return switch (kind) {
            case "count" -> sketch.node("count", "id", "a", "from", "g", "store", "result", "caching", resultCached).tableOut("a");
            case "reduce" -> sketch.node("reduce", "id", "a", "from", "g", "adder", fn("add"), "subtractor", fn("subtract"),
                "store", "result", "caching", resultCached).tableOut("a");
            default -> sketch.node("aggregate", "id", "a", "from", "g", "initial", "", "adder", CONCAT, "subtractor", fn("remove"),
                "store", "result", "caching", resultCached).tableOut("a");
        };
    }

    private static Sketch grouped() {
        return Sketch.ofStream().node("group_by_key", "id", "g", "from", "s", "name", "by-key");
    }

    private void both(final String operator, final Sketch sketch) {
        add(operator, "large", LARGE, sketch);
        add(operator, "small", SMALL, sketch);
    }

    /** Topics get names of their own, since all runs share a broker. */
    private void add(final String operator, final String size, final long cacheBytes, final Sketch sketch) {
        final String applicationId = "cached-" + operator + "-" + size;
        final JsonNode topology = sketch.json().deepCopy();
        for (final JsonNode node : topology) {
            if (node.has("topic")) {
                ((ObjectNode) node).put("topic", applicationId + "." + node.get("topic").asText());
            }
        }
        final String name = "cached/" + operator + "-" + size;
        runs.add(new CachedRun(name, applicationId, cacheBytes, topology,
            InputOrder.asProcessed(Inputs.records(name, RECORDS, Sketch.sourceTopics(topology)))));
    }
}
