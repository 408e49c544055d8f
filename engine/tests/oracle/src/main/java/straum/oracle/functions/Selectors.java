package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.kstream.KeyValueMapper;

/** Named functions from key and value to a new key. */
public final class Selectors {
    private Selectors() {
    }

    public static KeyValueMapper<String, String, String> of(final JsonNode json) {
        final Function function = new Function(json);
        return switch (function.name()) {
            case "keep" -> (key, value) -> key;
            case "value" -> (key, value) -> value;
            case "value_char" -> (key, value) -> value == null || value.isEmpty() ? null : value.substring(0, 1);
            case "bucket" -> (key, value) -> {
                final String text = function.of(key, value);
                return text == null ? null : "b" + Text.hash(text) % function.integer("n");
            };
            case "null_when" -> (key, value) -> function.remainderMatches(Text.hash(function.of(key, value))) ? null : key;
            default -> throw function.unknown("key selector");
        };
    }
}
