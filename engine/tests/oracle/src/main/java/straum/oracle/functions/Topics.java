package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;
import org.apache.kafka.streams.processor.RecordContext;
import org.apache.kafka.streams.processor.TopicNameExtractor;

/** Named choices of the topic a record goes to. Printed topologies show the name, since Kafka Streams prints the extractor. */
public record Topics(String of, JsonNode topics) implements TopicNameExtractor<String, String> {
    public static TopicNameExtractor<String, String> of(final JsonNode json) {
        final Function function = new Function(json);
        if (!function.name().equals("by_hash")) {
            throw function.unknown("topic extractor");
        }
        return new Topics(function.text("of"), function.node("topics"));
    }

    @Override
    public String extract(final String key, final String value, final RecordContext context) {
        final String text = of.equals("key") ? key : value;
        return topics.get((int) (Text.hash(text) % topics.size())).asText();
    }

    @Override
    public String toString() {
        return "by_hash";
    }
}
