import struct from "google-protobuf/google/protobuf/struct_pb.js";

import type { Props } from "./values.ts";

/** The largest message of either side; the SDK's own limit. */
const MESSAGE_BYTES = 1024 * 1024 * 400;
/** The options of both ends of a connection, which leaves out a proxy that the environment names. */
export const CHANNEL = {
  "grpc.enable_http_proxy": 0,
  "grpc.max_receive_message_length": MESSAGE_BYTES,
  "grpc.max_send_message_length": MESSAGE_BYTES,
};

/** The properties as a protobuf struct. */
export function toStruct(props: Props): struct.Struct {
  return struct.Struct.fromJavaScript(props);
}

/** The protobuf struct as properties. */
export function fromStruct(value: struct.Struct | undefined): Props | undefined {
  return value?.toJavaScript();
}
