package straum.oracle.cases;

import static straum.oracle.fixtures.Json.array;
import static straum.oracle.fixtures.Json.object;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.Consumer;

/** Grows one random graph: sources first, then operators on what there is until one path is deep enough, then sinks. */
final class GraphGenerator {
    private enum Kind { STREAM, TABLE, GLOBAL_TABLE }

    private record Handle(String id, Kind kind, int depth) {
    }

    private static final int DEEPEST_FIRST_PERCENT = 60;

    private final Random random;
    private final GraphFunctions functions;
    private final int targetDepth;
    private final boolean punctuates;
    private final Sketch sketch = Sketch.of();
    private final List<Handle> handles = new ArrayList<>();
    private final Set<String> used = new HashSet<>();
    private int names;

    GraphGenerator(final long seed, final int targetDepth, final boolean punctuates) {
        this.random = new Random(seed);
        this.functions = new GraphFunctions(random);
        this.targetDepth = targetDepth;
        this.punctuates = punctuates;
    }

    Sketch generate() {
        sources();
        if (punctuates) {
            punctuatingProcess(handles.get(0));
        }
        while (handles.stream().mapToInt(Handle::depth).max().orElse(0) < targetDepth) {
            grow();
        }
        sinks();
        return sketch;
    }

    // ---- sources and sinks ----

    private void sources() {
        final int streams = 1 + random.nextInt(2);
        for (int number = 0; number < streams; number++) {
            final String id = name("s");
            final Object timestamps = random.nextInt(6) == 0 ? functions.timestamps() : null;
            sketch.node("stream", "id", id, "topic", "in-" + id, "timestamps", timestamps);
            handles.add(new Handle(id, Kind.STREAM, 0));
        }
        final int tables = random.nextInt(3);
        for (int number = 0; number < tables; number++) {
            final String id = name("t");
            sketch.node("table", "id", id, "topic", "in-" + id, "store", id + "-store");
            handles.add(new Handle(id, Kind.TABLE, 0));
        }
        if (random.nextInt(4) == 0) {
            final String id = name("g");
            sketch.node("global_table", "id", id, "topic", "global-" + id, "store", id + "-store");
            handles.add(new Handle(id, Kind.GLOBAL_TABLE, 0));
        }
    }

    private void sinks() {
        for (final Handle handle : List.copyOf(handles)) {
            final boolean leaf = !used.contains(handle.id());
            if (handle.kind() != Kind.GLOBAL_TABLE && (leaf || random.nextInt(4) == 0)) {
                sink(handle);
            }
        }
    }

    private void sink(final Handle handle) {
        String stream = handle.id();
        if (handle.kind() == Kind.TABLE) {
            stream = name("ts");
            sketch.node("to_stream", "id", stream, "from", handle.id());
        }
        if (random.nextInt(8) == 0) {
            sketch.node("to", "from", stream, "extractor", functions.topics("out-" + stream));
        } else {
            sketch.node("to", "from", stream, "topic", "out-" + stream);
        }
    }

    // ---- growth ----

    private void grow() {
        final Handle from = pick();
        if (from.kind() == Kind.STREAM) {
            onStream(from);
        } else if (from.kind() == Kind.TABLE) {
            onTable(from);
        }
    }

    private Handle pick() {
        if (random.nextInt(100) < DEEPEST_FIRST_PERCENT) {
            final int deepest = handles.stream().mapToInt(Handle::depth).max().orElse(0);
            final List<Handle> candidates = handles.stream().filter(handle -> handle.depth() == deepest).toList();
            return candidates.get(random.nextInt(candidates.size()));
        }
        return handles.get(random.nextInt(handles.size()));
    }

    private void onStream(final Handle from) {
        switch (random.nextInt(22)) {
            case 0 -> simple("filter", from, "predicate", functions.predicate());
            case 1 -> simple("filter_not", from, "predicate", functions.predicate());
            case 2 -> simple("map", from, "key", functions.selector(), "value", functions.mapper());
            case 3 -> simple("map_values", from, "mapper", functions.mapper());
            case 4 -> simple("flat_map", from, "mapper", functions.repeat());
            case 5 -> simple("flat_map_values", from, "mapper", functions.repeat());
            case 6, 7 -> simple("select_key", from, "key", functions.selector());
            case 8 -> simple("peek", from);
            case 9 -> other(from, Kind.STREAM, with -> binary("merge", from, with, Kind.STREAM));
            case 10 -> split(from);
            case 11 -> simple("repartition", from, "name", name("repartitioned"));
            case 12 -> add("to_table", Kind.TABLE, from.depth() + 1, from, "name", name("tabled"), "store", name("table-store"));
            case 13 -> simple("process", from, "store", name("tally"), "timestamped", random.nextBoolean());
            case 14 -> simple("process_values", from, "store", name("numbering"));
            case 15, 16 -> aggregateStream(from);
            case 17 -> other(from, Kind.STREAM, with -> cogroup(from, with));
            case 18, 19 -> other(from, Kind.TABLE, with -> binary(random.nextBoolean() ? "join" : "left_join", from, with, Kind.STREAM,
                "joiner", functions.joiner(), "name", name("joined")));
            default -> other(from, Kind.GLOBAL_TABLE, with -> binary(random.nextBoolean() ? "join" : "left_join", from, with, Kind.STREAM,
                "key", functions.selector(), "joiner", functions.joiner()));
        }
    }

    private void onTable(final Handle from) {
        switch (random.nextInt(10)) {
            case 0 -> table("filter", from, "predicate", functions.predicate());
            case 1 -> table("filter_not", from, "predicate", functions.predicate());
            case 2, 3 -> table("map_values", from, "mapper", functions.mapper());
            case 4, 5 -> add("to_stream", Kind.STREAM, from.depth() + 1, from);
            case 6 -> aggregateTable(from);
            default -> other(from, Kind.TABLE, with -> {
                final String op = List.of("join", "left_join", "outer_join").get(random.nextInt(3));
                binary(op, from, with, Kind.TABLE, "joiner", functions.joiner(), "store", optionalStore());
            });
        }
    }

    // ---- operators ----

    private void simple(final String op, final Handle from, final Object... fields) {
        add(op, Kind.STREAM, from.depth() + 1, from, fields);
    }

    private void table(final String op, final Handle from, final Object... fields) {
        final List<Object> all = new ArrayList<>(List.of(fields));
        all.add("store");
        all.add(optionalStore());
        add(op, Kind.TABLE, from.depth() + 1, from, all.toArray());
    }

    private void binary(final String op, final Handle from, final Handle with, final Kind result, final Object... fields) {
        final List<Object> all = new ArrayList<>(List.of("with", with.id()));
        all.addAll(Arrays.asList(fields));
        used.add(with.id());
        add(op, result, Math.max(from.depth(), with.depth()) + 1, from, all.toArray());
    }

    private String add(final String op, final Kind result, final int depth, final Handle from, final Object... fields) {
        final String id = name("n");
        final List<Object> all = new ArrayList<>(List.of("id", id, "from", from.id()));
        all.addAll(Arrays.asList(fields));
        sketch.node(op, all.toArray());
        used.add(from.id());
        handles.add(new Handle(id, result, depth));
        return id;
    }

    private void split(final Handle from) {
        final String first = name("branch");
        final String second = name("branch");
        final String rest = random.nextBoolean() ? name("branch") : null;
        sketch.node("split", "from", from.id(), "default", rest, "branches", array(
            object("id", first, "predicate", functions.predicate()), object("id", second, "predicate", functions.predicate())));
        used.add(from.id());
        handles.add(new Handle(first, Kind.STREAM, from.depth() + 1));
        handles.add(new Handle(second, Kind.STREAM, from.depth() + 1));
        if (rest != null) {
            handles.add(new Handle(rest, Kind.STREAM, from.depth() + 1));
        }
    }

    private void punctuatingProcess(final Handle from) {
        simple("process", from, "store", name("tally"), "timestamped", random.nextBoolean(),
            "stream_every", 100 + 50 * random.nextInt(10), "wall_every", 100 + 50 * random.nextInt(10));
    }

    private void aggregateStream(final Handle from) {
        final String grouped = group(from);
        switch (random.nextInt(3)) {
            case 0 -> count(grouped, from.depth() + 1);
            case 1 -> aggregated("reduce", grouped, from.depth() + 1, "aggregator", functions.aggregator());
            default -> aggregated("aggregate", grouped, from.depth() + 1, "initial", "", "aggregator", functions.aggregator());
        }
    }

    private void aggregateTable(final Handle from) {
        final String grouped = name("grouped");
        used.add(from.id());
        sketch.node("group_by", "id", grouped, "from", from.id(), "key", functions.selector(), "value", functions.mapper(), "name", grouped);
        final boolean numbers = random.nextBoolean();
        final Object adder = numbers ? functions.add() : functions.concat();
        final Object subtractor = numbers ? functions.subtract() : functions.remove();
        switch (random.nextInt(3)) {
            case 0 -> count(grouped, from.depth() + 1);
            case 1 -> aggregated("reduce", grouped, from.depth() + 1, "adder", adder, "subtractor", subtractor);
            default -> aggregated("aggregate", grouped, from.depth() + 1, "initial", "", "adder", adder, "subtractor", subtractor);
        }
    }

    private void cogroup(final Handle from, final Handle with) {
        final String first = group(from);
        final String second = group(with);
        final String id = name("n");
        sketch.node("cogroup", "id", id, "initial", "", "store", name("cogrouped"), "inputs", array(
            object("from", first, "aggregator", functions.aggregator()), object("from", second, "aggregator", functions.aggregator())));
        handles.add(new Handle(id, Kind.TABLE, Math.max(from.depth(), with.depth()) + 1));
    }

    private String group(final Handle from) {
        final String grouped = name("grouped");
        used.add(from.id());
        if (random.nextBoolean()) {
            sketch.node("group_by_key", "id", grouped, "from", from.id(), "name", grouped);
        } else {
            sketch.node("group_by", "id", grouped, "from", from.id(), "key", functions.selector(), "name", grouped);
        }
        return grouped;
    }

    /** A count is mapped to texts at once, so that all other operators deal with texts only. */
    private void count(final String grouped, final int depth) {
        final String counted = name("counted");
        final String id = name("n");
        sketch.node("count", "id", counted, "from", grouped, "store", counted);
        sketch.node("map_values", "id", id, "from", counted, "mapper", functions.identity(), "store", optionalStore());
        handles.add(new Handle(id, Kind.TABLE, depth));
    }

    private void aggregated(final String op, final String grouped, final int depth, final Object... fields) {
        final String id = name("n");
        final List<Object> all = new ArrayList<>(List.of("id", id, "from", grouped, "store", name("aggregated")));
        all.addAll(List.of(fields));
        sketch.node(op, all.toArray());
        handles.add(new Handle(id, Kind.TABLE, depth));
    }

    // ---- choices ----

    /** Does something with another handle of a kind, or nothing when there is none. */
    private void other(final Handle than, final Kind kind, final Consumer<Handle> action) {
        final List<Handle> candidates = handles.stream().filter(handle -> handle.kind() == kind && !handle.equals(than)).toList();
        if (!candidates.isEmpty()) {
            action.accept(candidates.get(random.nextInt(candidates.size())));
        }
    }

    private String optionalStore() {
        return random.nextBoolean() ? name("store") : null;
    }

    private String name(final String prefix) {
        return prefix + ++names;
    }
}
