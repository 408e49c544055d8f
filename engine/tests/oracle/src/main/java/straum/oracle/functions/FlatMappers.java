package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.KeyValueMapper;
import org.apache.kafka.streams.kstream.ValueMapperWithKey;

/** Named functions from one record to several: {@code repeat} gives (hash of the value + 1) mod n of them. */
public final class FlatMappers {
    private FlatMappers() {
    }

    public static KeyValueMapper<String, String, Iterable<KeyValue<String, String>>> records(final JsonNode json) {
        final Function function = repeat(json);
        return (key, value) -> {
            final List<KeyValue<String, String>> records = new ArrayList<>();
            for (int index = 0; index < copies(function, value); index++) {
                records.add(KeyValue.pair(index == 0 ? key : Text.spell(key) + "-" + index, copy(value, index)));
            }
            return records;
        };
    }

    public static ValueMapperWithKey<String, String, Iterable<String>> values(final JsonNode json) {
        final Function function = repeat(json);
        return (key, value) -> {
            final List<String> values = new ArrayList<>();
            for (int index = 0; index < copies(function, value); index++) {
                values.add(copy(value, index));
            }
            return values;
        };
    }

    private static Function repeat(final JsonNode json) {
        final Function function = new Function(json);
        if (!function.name().equals("repeat")) {
            throw function.unknown("flat mapper");
        }
        return function;
    }

    private static long copies(final Function function, final String value) {
        return (Text.hash(value) + 1) % function.integer("n");
    }

    private static String copy(final String value, final int index) {
        return value == null ? null : value + "/" + index;
    }
}
