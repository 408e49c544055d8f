package straum.oracle.cases;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import straum.oracle.fixtures.Step;
import straum.oracle.fixtures.Step.Send;

/**
 * Puts records of several topics in the order in which a task takes them when all are there from the start: always the one
 * whose queue has the smallest timestamp at its head. Timestamps are first made different between topics.
 */
final class InputOrder {
    private InputOrder() {
    }

    static List<Step> asProcessed(final List<Step> steps) {
        final Map<String, Deque<Send>> queues = new TreeMap<>();
        steps.forEach(step -> queues.computeIfAbsent(((Send) step).topic(), topic -> new ArrayDeque<>()).add((Send) step));
        final List<String> topics = List.copyOf(queues.keySet());
        queues.replaceAll((topic, queue) -> {
            final Deque<Send> apart = new ArrayDeque<>();
            queue.forEach(send -> apart.add(new Send(
                topic, send.key(), send.value(), send.timestamp() * topics.size() + topics.indexOf(topic), send.headers())));
            return apart;
        });
        final List<Step> ordered = new ArrayList<>();
        while (ordered.size() < steps.size()) {
            ordered.add(queues.values().stream().filter(queue -> !queue.isEmpty())
                .min(Comparator.comparingLong(queue -> queue.peek().timestamp())).orElseThrow().remove());
        }
        return ordered;
    }
}
