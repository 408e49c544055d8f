package straum.oracle.cases;

import static straum.oracle.fixtures.Json.array;
import static straum.oracle.fixtures.Json.fn;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Random;

/** Random named functions with random parameters; what they make stays short however deep the graph. */
final class GraphFunctions {
    private final Random random;

    GraphFunctions(final Random random) {
        this.random = random;
    }

    JsonNode predicate() {
        return switch (random.nextInt(4)) {
            case 0 -> fn("not_null", "of", keyOrValue());
            case 1 -> fn("hash_mod", "of", "key", "n", 3, "is", random.nextInt(2));
            default -> fn("hash_mod", "of", "value", "n", 2 + random.nextInt(2), "is", random.nextInt(2));
        };
    }

    JsonNode mapper() {
        return switch (random.nextInt(7)) {
            case 0 -> fn("identity");
            case 1 -> fn("hash");
            case 2 -> fn("clip", "n", 1 + random.nextInt(6));
            case 3 -> fn("prefix_key");
            case 4 -> fn("null_when", "n", 5, "is", random.nextInt(5));
            case 5 -> fn("spell_append", "x", "?");
            default -> fn("append", "x", "!");
        };
    }

    JsonNode selector() {
        return switch (random.nextInt(6)) {
            case 0 -> fn("keep");
            case 1 -> fn("value_char");
            case 2 -> fn("null_when", "of", keyOrValue(), "n", 5, "is", random.nextInt(5));
            default -> fn("bucket", "of", keyOrValue(), "n", 2 + random.nextInt(6));
        };
    }

    JsonNode aggregator() {
        return switch (random.nextInt(3)) {
            case 0 -> add();
            case 1 -> fn("max");
            default -> concat();
        };
    }

    JsonNode joiner() {
        return random.nextInt(4) == 0 ? fn("sum") : fn("pair", "n", 40);
    }

    JsonNode repeat() {
        return fn("repeat", "n", 2 + random.nextInt(3));
    }

    JsonNode timestamps() {
        return fn("from_value", "step", 50, "drop", 7);
    }

    JsonNode topics(final String prefix) {
        return fn("by_hash", "of", keyOrValue(), "topics", array(prefix + "-a", prefix + "-b"));
    }

    JsonNode identity() {
        return fn("identity");
    }

    JsonNode add() {
        return fn("add");
    }

    JsonNode subtract() {
        return fn("subtract");
    }

    JsonNode concat() {
        return fn("concat", "n", 12 + random.nextInt(12));
    }

    JsonNode remove() {
        return fn("remove");
    }

    private String keyOrValue() {
        return random.nextInt(3) == 0 ? "key" : "value";
    }
}
