package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.processor.TimestampExtractor;

/** Named timestamp extractors; a negative answer makes Kafka Streams drop the record. */
public final class Timestamps {
    private Timestamps() {
    }

    public static TimestampExtractor of(final JsonNode json) {
        final Function function = new Function(json);
        if (!function.name().equals("from_value")) {
            throw function.unknown("timestamp extractor");
        }
        final long step = function.integer("step");
        final long drop = function.integer("drop");
        return (record, partitionTime) -> {
            if (record.value() == null) {
                return record.timestamp();
            }
            final long hash = Text.hash((String) record.value());
            return hash % drop == 0 ? -1 : Math.max(0, record.timestamp() + (hash % 7 - 3) * step);
        };
    }
}
