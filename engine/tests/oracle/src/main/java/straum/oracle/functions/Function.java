package straum.oracle.functions;

import com.fasterxml.jackson.databind.JsonNode;

/** Reads the parameters of a named function from its JSON object, and refuses what it does not know. */
final class Function {
    private final JsonNode json;

    Function(final JsonNode json) {
        if (json == null || !json.path("fn").isTextual()) {
            throw new IllegalArgumentException("a function is an object with \"fn\": " + json);
        }
        this.json = json;
    }

    String name() {
        return json.get("fn").asText();
    }

    int integer(final String parameter) {
        return node(parameter).asInt();
    }

    String text(final String parameter) {
        return node(parameter).asText();
    }

    boolean has(final String parameter) {
        return json.has(parameter);
    }

    JsonNode node(final String parameter) {
        final JsonNode value = json.get(parameter);
        if (value == null || value.isNull()) {
            throw new IllegalArgumentException("parameter " + parameter + " is missing: " + json);
        }
        return value;
    }

    /** Parameter {@code of}: whether the function looks at the key or at the value. */
    String of(final String key, final String value) {
        return switch (text("of")) {
            case "key" -> key;
            case "value" -> value;
            default -> throw new IllegalArgumentException("\"of\" is key or value: " + json);
        };
    }

    /** Parameters {@code n} and {@code is}: whether the hash leaves that remainder. */
    boolean remainderMatches(final long hash) {
        return hash % integer("n") == integer("is");
    }

    IllegalArgumentException unknown(final String kind) {
        return new IllegalArgumentException("unknown " + kind + ": " + json);
    }
}
