package straum.oracle.cases;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.streams.TopologyDescription;
import org.apache.kafka.streams.TopologyDescription.Node;
import org.apache.kafka.streams.TopologyDescription.Sink;
import org.apache.kafka.streams.TopologyDescription.Source;
import org.apache.kafka.streams.TopologyDescription.Subtopology;

/**
 * Whether a topology gives the same records however its subtopologies take turns, if each input is worked off before the
 * next one arrives. That holds when no input reaches a subtopology by two repartition topics: only then could two queues of
 * one task be non-empty at once. TopologyTestDriver puts all subtopologies in one task with one stream time, so a
 * stream-time punctuation is the same elsewhere only if there is a single subtopology.
 */
final class Determinism {
    private final Map<String, Source> sourceOfTopic = new HashMap<>();
    private final Map<String, Integer> subtopologyOfTopic = new HashMap<>();

    private Determinism(final TopologyDescription description) {
        for (final Subtopology subtopology : description.subtopologies()) {
            for (final Node node : subtopology.nodes()) {
                if (node instanceof Source source) {
                    source.topicSet().forEach(topic -> {
                        sourceOfTopic.put(topic, source);
                        subtopologyOfTopic.put(topic, subtopology.id());
                    });
                }
            }
        }
    }

    static boolean holds(final TopologyDescription description, final boolean punctuates) {
        if (punctuates && description.subtopologies().size() > 1) {
            return false;
        }
        final Determinism topology = new Determinism(description);
        return topology.sourceOfTopic.keySet().stream().filter(topic -> !topic.endsWith("-repartition")).noneMatch(topology::meetsItself);
    }

    private boolean meetsItself(final String topic) {
        final Set<String> reached = new HashSet<>();
        follow(sourceOfTopic.get(topic), reached);
        final Set<Integer> subtopologies = new HashSet<>();
        return reached.stream().anyMatch(repartition -> !subtopologies.add(subtopologyOfTopic.get(repartition)));
    }

    private void follow(final Node node, final Set<String> reached) {
        if (node instanceof Sink sink && sink.topic() != null && sourceOfTopic.containsKey(sink.topic()) && reached.add(sink.topic())) {
            follow(sourceOfTopic.get(sink.topic()), reached);
        }
        node.successors().forEach(successor -> follow(successor, reached));
    }
}
