package straum.oracle.processors;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.OptionalLong;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import straum.oracle.functions.Text;

/**
 * The processor behind {@code process}: counts per key in a store, marks each record with its number, sometimes forwards
 * twice, and reports what the store holds by stream time and by wall clock.
 *
 * @param <S> what the store holds: the count as text, plain or with its timestamp
 */
final class Tally<S> implements Processor<String, String, String, String> {
    private final String storeName;
    private final TallyValue<S> form;
    private final OptionalLong streamEvery;
    private final OptionalLong wallEvery;
    private ProcessorContext<String, String> context;
    private KeyValueStore<String, S> store;

    Tally(final String storeName, final TallyValue<S> form, final OptionalLong streamEvery, final OptionalLong wallEvery) {
        this.storeName = storeName;
        this.form = form;
        this.streamEvery = streamEvery;
        this.wallEvery = wallEvery;
    }

    @Override
    public void init(final ProcessorContext<String, String> context) {
        this.context = context;
        this.store = context.getStateStore(storeName);
        streamEvery.ifPresent(every -> context.schedule(Duration.ofMillis(every), PunctuationType.STREAM_TIME, time -> {
            report("stream-time", time);
            deleteSmallestKey();
        }));
        wallEvery.ifPresent(every -> context.schedule(Duration.ofMillis(every), PunctuationType.WALL_CLOCK_TIME,
            time -> report("wall-clock", time)));
    }

    @Override
    public void process(final Record<String, String> record) {
        final String key = record.key();
        if (key == null) {
            context.forward(record.withValue(Text.spell(record.value()) + "#0"));
            return;
        }
        final long count = Text.number(form.count(store.get(key))) + 1;
        if (record.value() == null) {
            store.delete(key);
            context.forward(record.withValue("gone#" + count));
            return;
        }
        store.put(key, form.value(Long.toString(count), record.timestamp()));
        // Copies: a record's headers are shared with every other node that was handed the same record.
        final Headers marked = new RecordHeaders(record.headers()).add("tally", Long.toString(count).getBytes(StandardCharsets.UTF_8));
        context.forward(record.withValue(record.value() + "#" + count).withHeaders(marked));
        if (count % 3 == 0) {
            context.forward(record.withValue("every-third").withTimestamp(record.timestamp() + 5));
        }
    }

    /** Forwards the number of entries, a colon, and the sum of their counts. */
    private void report(final String key, final long time) {
        long entries = 0;
        long sum = 0;
        try (KeyValueIterator<String, S> all = store.all()) {
            while (all.hasNext()) {
                entries++;
                sum += Text.number(form.count(all.next().value));
            }
        }
        context.forward(new Record<>(key, entries + ":" + sum, time));
    }

    private void deleteSmallestKey() {
        final String smallest;
        try (KeyValueIterator<String, S> all = store.all()) {
            smallest = all.hasNext() ? all.peekNextKey() : null;
        }
        if (smallest != null) {
            store.delete(smallest);
        }
    }
}
