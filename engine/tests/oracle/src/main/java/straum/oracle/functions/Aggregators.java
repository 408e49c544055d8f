package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.function.BinaryOperator;

/** Named functions from (aggregate so far, value) to the next aggregate; reducers, adders and subtractors alike. */
public final class Aggregators {
    private Aggregators() {
    }

    public static BinaryOperator<String> of(final JsonNode json) {
        final Function function = new Function(json);
        return switch (function.name()) {
            case "concat" -> (aggregate, value) ->
                Text.last((aggregate == null ? "" : aggregate) + Text.spell(value), function.integer("n"));
            case "remove" -> Aggregators::remove;
            case "add" -> (aggregate, value) -> Long.toString(Text.number(aggregate) + Text.number(value));
            case "subtract" -> (aggregate, value) -> Long.toString(Text.number(aggregate) - Text.number(value));
            case "max" -> Aggregators::max;
            case "null_when" -> {
                final BinaryOperator<String> otherwise = of(function.node("else"));
                yield (aggregate, value) ->
                    function.remainderMatches(Text.hash(value)) ? null : otherwise.apply(aggregate, value);
            }
            default -> throw function.unknown("aggregator");
        };
    }

    /** Takes the first occurrence of the value out of the aggregate. */
    private static String remove(final String aggregate, final String value) {
        final int at = aggregate == null || value == null ? -1 : aggregate.indexOf(value);
        return at < 0 ? aggregate : aggregate.substring(0, at) + aggregate.substring(at + value.length());
    }

    private static String max(final String aggregate, final String value) {
        if (aggregate == null || value == null) {
            return aggregate == null ? value : aggregate;
        }
        return aggregate.compareTo(value) < 0 ? value : aggregate;
    }
}
