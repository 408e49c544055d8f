package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.processor.TopicNameExtractor;

/** Named choices of the topic a record goes to. */
public final class Topics {
    private Topics() {
    }

    public static TopicNameExtractor<String, String> of(final JsonNode json) {
        final Function function = new Function(json);
        if (!function.name().equals("by_hash")) {
            throw function.unknown("topic extractor");
        }
        final JsonNode topics = function.node("topics");
        return (key, value, context) -> topics.get((int) (Text.hash(function.of(key, value)) % topics.size())).asText();
    }
}
