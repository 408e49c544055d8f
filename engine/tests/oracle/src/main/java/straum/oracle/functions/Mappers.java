package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.kstream.ValueMapperWithKey;

/** Named functions from key and value to a new value. */
public final class Mappers {
    private Mappers() {
    }

    public static ValueMapperWithKey<String, String, String> of(final JsonNode json) {
        final Function function = new Function(json);
        return switch (function.name()) {
            case "identity" -> (key, value) -> value;
            case "append" -> (key, value) -> value == null ? null : value + function.text("x");
            case "spell_append" -> (key, value) -> Text.spell(value) + function.text("x");
            case "prefix_key" -> (key, value) -> value == null ? null : Text.spell(key) + ":" + value;
            case "hash" -> (key, value) -> value == null ? null : Long.toString(Text.hash(value));
            case "clip" -> (key, value) -> value == null ? null : Text.first(value, function.integer("n"));
            case "null_when" -> (key, value) -> function.remainderMatches(Text.hash(value)) ? null : value;
            default -> throw function.unknown("value mapper");
        };
    }
}
