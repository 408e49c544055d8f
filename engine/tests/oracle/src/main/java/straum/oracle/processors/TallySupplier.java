package straum.oracle.processors;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.OptionalLong;
import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Makes {@link Tally} processors and their in-memory store from the description of a {@code process} node. */
public final class TallySupplier implements ProcessorSupplier<String, String, String, String> {
    private final String store;
    private final boolean timestamped;
    private final OptionalLong streamEvery;
    private final OptionalLong wallEvery;

    public TallySupplier(final JsonNode node) {
        this.store = node.get("store").asText();
        this.timestamped = node.path("timestamped").asBoolean(false);
        this.streamEvery = optional(node.path("stream_every"));
        this.wallEvery = optional(node.path("wall_every"));
    }

    @Override
    public Processor<String, String, String, String> get() {
        return timestamped
            ? new Tally<>(store, TallyValue.TIMESTAMPED, streamEvery, wallEvery)
            : new Tally<>(store, TallyValue.PLAIN, streamEvery, wallEvery);
    }

    @Override
    public Set<StoreBuilder<?>> stores() {
        return Set.of(timestamped
            ? Stores.timestampedKeyValueStoreBuilder(Stores.inMemoryKeyValueStore(store), Serdes.String(), Serdes.String())
            : Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(store), Serdes.String(), Serdes.String()));
    }

    private static OptionalLong optional(final JsonNode number) {
        return number.isNumber() ? OptionalLong.of(number.asLong()) : OptionalLong.empty();
    }
}
