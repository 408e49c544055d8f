package straum.oracle.cases;

import static straum.oracle.fixtures.Json.array;
import static straum.oracle.fixtures.Json.fn;
import static straum.oracle.fixtures.Json.object;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/** Sources and the operators of a stream that need no grouping. */
final class StreamCases {
    private static final JsonNode EVEN = fn("hash_mod", "of", "value", "n", 2, "is", 0);
    private static final JsonNode APPEND = fn("append", "x", "!");
    private static final JsonNode BUCKET = fn("bucket", "of", "value", "n", 5);

    private StreamCases() {
    }

    static List<Case> all() {
        return List.of(
            Case.of("stream/plain", Sketch.ofStream().out("s")),
            Case.of("stream/timestamps", Sketch.of()
                .node("stream", "id", "s", "topic", "in", "timestamps", fn("from_value", "step", 100, "drop", 6)).out("s")),
            Case.of("filter/value", Sketch.ofStream().node("filter", "id", "f", "from", "s", "predicate", EVEN).out("f")),
            Case.of("filter/not-null-key", Sketch.ofStream()
                .node("filter", "id", "f", "from", "s", "predicate", fn("not_null", "of", "key")).out("f")),
            Case.of("filter_not/value", Sketch.ofStream().node("filter_not", "id", "f", "from", "s", "predicate", EVEN).out("f")),
            Case.of("filter_not/null-value", Sketch.ofStream()
                .node("filter_not", "id", "f", "from", "s", "predicate", fn("is_null", "of", "value")).out("f")),
            Case.of("map/bucket", Sketch.ofStream().node("map", "id", "m", "from", "s", "key", BUCKET, "value", APPEND).out("m")),
            Case.of("map/value-to-key", Sketch.ofStream()
                .node("map", "id", "m", "from", "s", "key", fn("value"), "value", fn("prefix_key")).out("m")),
            Case.of("map_values/append", Sketch.ofStream().node("map_values", "id", "m", "from", "s", "mapper", APPEND).out("m")),
            Case.of("map_values/spell", Sketch.ofStream()
                .node("map_values", "id", "m", "from", "s", "mapper", fn("spell_append", "x", "?")).out("m")),
            Case.of("map_values/to-null", Sketch.ofStream()
                .node("map_values", "id", "m", "from", "s", "mapper", fn("null_when", "n", 3, "is", 1)).out("m")),
            Case.of("map_values/clip", Sketch.ofStream()
                .node("map_values", "id", "m", "from", "s", "mapper", fn("clip", "n", 2)).out("m")),
            Case.of("flat_map/repeat", Sketch.ofStream()
                .node("flat_map", "id", "m", "from", "s", "mapper", fn("repeat", "n", 4)).out("m")),
            Case.of("flat_map_values/repeat", Sketch.ofStream()
                .node("flat_map_values", "id", "m", "from", "s", "mapper", fn("repeat", "n", 4)).out("m")),
            Case.of("select_key/value-char", Sketch.ofStream()
                .node("select_key", "id", "k", "from", "s", "key", fn("value_char")).out("k")),
            Case.of("select_key/to-null", Sketch.ofStream()
                .node("select_key", "id", "k", "from", "s", "key", fn("null_when", "of", "key", "n", 3, "is", 0)).out("k")),
            Case.of("peek/no-effect", Sketch.ofStream().node("peek", "id", "p", "from", "s").out("p")),
            Case.of("foreach/terminal", Sketch.ofStream().node("foreach", "from", "s").out("s")),
            Case.of("merge/two-topics", Sketch.ofStream()
                .node("stream", "id", "s2", "topic", "in2").node("merge", "id", "m", "from", "s", "with", "s2").out("m")),
            Case.of("merge/branches-of-one", Sketch.ofStream()
                .node("map_values", "id", "a", "from", "s", "mapper", APPEND)
                .node("filter", "id", "b", "from", "s", "predicate", EVEN)
                .node("merge", "id", "m", "from", "a", "with", "b").out("m")),
            Case.of("merge/one-rekeyed", Sketch.ofStream()
                .node("stream", "id", "s2", "topic", "in2")
                .node("select_key", "id", "k", "from", "s", "key", BUCKET)
                .node("merge", "id", "m", "from", "k", "with", "s2")
                .node("group_by_key", "id", "g", "from", "m", "name", "merged")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("split/with-default", split("other").node("to", "from", "other", "topic", "out-other")),
            Case.of("split/no-default", split(null)),
            Case.of("repartition/plain", Sketch.ofStream().node("repartition", "id", "r", "from", "s", "name", "spread").out("r")),
            Case.of("repartition/rekeyed-with-partitions", Sketch.ofStream()
                .node("select_key", "id", "k", "from", "s", "key", BUCKET)
                .node("repartition", "id", "r", "from", "k", "name", "spread", "partitions", 3)
                .node("group_by_key", "id", "g", "from", "r", "name", "unused")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("to/two-topics", Sketch.ofStream().out("s").node("to", "from", "s", "topic", "out2")),
            Case.of("to/extractor", Sketch.ofStream().node("to", "from", "s", "extractor",
                fn("by_hash", "of", "key", "topics", array("out-a", "out-b", "out-c")))),
            Case.of("to_table/same-key", Sketch.ofStream()
                .node("to_table", "id", "t", "from", "s", "name", "tabled", "store", "t-store").tableOut("t")),
            Case.of("to_table/rekeyed", Sketch.ofStream()
                .node("select_key", "id", "k", "from", "s", "key", BUCKET)
                .node("to_table", "id", "t", "from", "k", "name", "tabled", "store", "t-store").tableOut("t")),
            Case.of("to_table/unmaterialised", Sketch.ofStream()
                .node("to_table", "id", "t", "from", "s", "name", "tabled", "store", null).tableOut("t")),
            Case.of("process/plain-store", Sketch.ofStream()
                .node("process", "id", "p", "from", "s", "store", "tally").out("p")),
            Case.of("process/timestamped-store", Sketch.ofStream()
                .node("process", "id", "p", "from", "s", "store", "tally", "timestamped", true).out("p")),
            Case.of("process/stream-time", Sketch.ofStream()
                .node("process", "id", "p", "from", "s", "store", "tally", "stream_every", 500).out("p")),
            Case.of("process/wall-clock", Sketch.ofStream()
                .node("process", "id", "p", "from", "s", "store", "tally", "wall_every", 400).out("p")),
            Case.of("process/both-clocks", Sketch.ofStream()
                .node("process", "id", "p", "from", "s", "store", "tally", "timestamped", true, "stream_every", 300, "wall_every", 150).out("p")),
            Case.of("process/then-count", Sketch.ofStream()
                .node("process", "id", "p", "from", "s", "store", "tally")
                .node("group_by_key", "id", "g", "from", "p", "name", "tallied")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")),
            Case.of("process_values/numbering", Sketch.ofStream()
                .node("process_values", "id", "p", "from", "s", "store", "numbering").out("p")),
            Case.of("process_values/then-count", Sketch.ofStream()
                .node("process_values", "id", "p", "from", "s", "store", "numbering")
                .node("group_by_key", "id", "g", "from", "p", "name", "numbered")
                .node("count", "id", "c", "from", "g", "store", "counts").tableOut("c")));
    }

    private static Sketch split(final String defaultId) {
        return Sketch.ofStream()
            .node("split", "from", "s", "default", defaultId, "branches", array(
                object("id", "third", "predicate", fn("hash_mod", "of", "value", "n", 3, "is", 0)),
                object("id", "even", "predicate", EVEN)))
            .node("to", "from", "third", "topic", "out-third")
            .node("to", "from", "even", "topic", "out-even");
    }
}
