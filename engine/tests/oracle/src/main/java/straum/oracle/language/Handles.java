package straum.oracle.language;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.Map;

/** What the nodes of a description have declared so far, by id. An id has one kind; asking for another is an error. */
final class Handles {
    private final Map<String, Object> byId = new HashMap<>();

    /** Keeps what a node with an {@code id} declared. */
    void put(final JsonNode node, final Object handle) {
        put(node.get("id").asText(), handle);
    }

    void put(final String id, final Object handle) {
        if (byId.put(id, handle) != null) {
            throw new IllegalArgumentException("id is taken: " + id);
        }
    }

    /** The handle named by a node's field. The caller's type is checked against the kind of object that was put. */
    <T> T get(final JsonNode node, final String field, final Class<? super T> kind) {
        return get(node.path(field).asText(), kind);
    }

    @SuppressWarnings("unchecked")
    <T> T get(final String id, final Class<? super T> kind) {
        final Object handle = byId.get(id);
        if (handle == null) {
            throw new IllegalArgumentException("no node has the id " + id);
        }
        return (T) kind.cast(handle);
    }

    boolean is(final JsonNode node, final String field, final Class<?> kind) {
        return kind.isInstance(byId.get(node.path(field).asText()));
    }
}
