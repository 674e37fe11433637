import struct from "google-protobuf/google/protobuf/struct_pb.js";

import type { Props } from "./values.ts";

/** The largest message of either side; the SDK's own limit. */
export const MESSAGE_BYTES = 1024 * 1024 * 400;

/** The properties as a protobuf struct. */
export function toStruct(props: Props): struct.Struct {
  return struct.Struct.fromJavaScript(props);
}

/** The protobuf struct as properties. */
export function fromStruct(value: struct.Struct | undefined): Props | undefined {
  return value?.toJavaScript();
}
