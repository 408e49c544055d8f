package straum.oracle.processors;

import java.util.Set;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorSupplier;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import straum.oracle.functions.Text;

/** The processor behind {@code process_values}: appends to each value how many records its key has had. */
public record NumberingSupplier(String store) implements FixedKeyProcessorSupplier<String, String, String> {
    @Override
    public FixedKeyProcessor<String, String, String> get() {
        return new Numbering(store);
    }

    @Override
    public Set<StoreBuilder<?>> stores() {
        return Set.of(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(store), Serdes.String(), Serdes.String()));
    }

    private static final class Numbering implements FixedKeyProcessor<String, String, String> {
        private final String storeName;
        private FixedKeyProcessorContext<String, String> context;
        private KeyValueStore<String, String> store;

        Numbering(final String storeName) {
            this.storeName = storeName;
        }

        @Override
        public void init(final FixedKeyProcessorContext<String, String> context) {
            this.context = context;
            this.store = context.getStateStore(storeName);
        }

        @Override
        public void process(final FixedKeyRecord<String, String> record) {
            long count = 0;
            if (record.key() != null) {
                count = Text.number(store.get(record.key())) + 1;
                store.put(record.key(), Long.toString(count));
            }
            context.forward(record.withValue(Text.spell(record.value()) + "@" + count));
        }
    }
}
