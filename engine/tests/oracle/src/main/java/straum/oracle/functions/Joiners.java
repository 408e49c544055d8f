package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.kstream.ValueJoiner;

/** Named functions from a left and a right value to the joined one. */
public final class Joiners {
    private Joiners() {
    }

    public static ValueJoiner<String, String, String> of(final JsonNode json) {
        final Function function = new Function(json);
        return switch (function.name()) {
            case "pair" -> (left, right) -> {
                final String pair = "(" + Text.spell(left) + "," + Text.spell(right) + ")";
                return function.has("n") ? Text.first(pair, function.integer("n")) : pair;
            };
            case "sum" -> (left, right) -> Long.toString(Text.number(left) + Text.number(right));
            case "left" -> (left, right) -> left;
            case "null_when" -> {
                final ValueJoiner<String, String, String> otherwise = of(function.node("else"));
                yield (left, right) ->
                    function.remainderMatches(Text.hash(left) + Text.hash(right)) ? null : otherwise.apply(left, right);
            }
            default -> throw function.unknown("joiner");
        };
    }
}
