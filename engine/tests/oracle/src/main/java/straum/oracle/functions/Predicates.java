package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.kstream.Predicate;

/** Named predicates over key and value. */
public final class Predicates {
    private Predicates() {
    }

    public static Predicate<String, String> of(final JsonNode json) {
        final Function function = new Function(json);
        return switch (function.name()) {
            case "hash_mod" -> (key, value) -> function.remainderMatches(Text.hash(function.of(key, value)));
            case "not_null" -> (key, value) -> function.of(key, value) != null;
            case "is_null" -> (key, value) -> function.of(key, value) == null;
            default -> throw function.unknown("predicate");
        };
    }
}
