package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.KeyValueStore;

/** The store a node asks for with {@code store} and {@code caching}. */
final class Stores {
    private Stores() {
    }

    static Optional<Materialized<String, String, KeyValueStore<Bytes, byte[]>>> optional(final JsonNode node) {
        return node.hasNonNull("store") ? Optional.of(texts(node)) : Optional.empty();
    }

    static Materialized<String, String, KeyValueStore<Bytes, byte[]>> texts(final JsonNode node) {
        return of(node, Serdes.String());
    }

    static Materialized<String, Long, KeyValueStore<Bytes, byte[]>> numbers(final JsonNode node) {
        return of(node, Serdes.Long());
    }

    private static <V> Materialized<String, V, KeyValueStore<Bytes, byte[]>> of(final JsonNode node, final Serde<V> values) {
        final Materialized<String, V, KeyValueStore<Bytes, byte[]>> store =
            Materialized.<String, V, KeyValueStore<Bytes, byte[]>>as(node.get("store").asText())
                .withKeySerde(Serdes.String())
                .withValueSerde(values);
        return node.path("caching").asBoolean(true) ? store : store.withCachingDisabled();
    }
}
