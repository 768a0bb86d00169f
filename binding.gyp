{
  "targets": [
    {
      "target_name": "extmem",
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "native/addon.cc",
            "native/allocator.cc",
            "native/anonymous.cc",
            "native/arena.cc",
            "native/arena_top.cc",
            "native/declaration.cc",
            "native/elf_bss.cc",
            "native/elf_image.cc",
            "native/foreign_maps.cc",
            "native/hook_functions.cc",
            "native/hook_linux.cc",
            "native/intern.cc",
            "native/isolate_table.cc",
            "native/libstdcxx_floor.cc",
            "native/live.cc",
            "native/malloc_info.cc",
            "native/mappings.cc",
            "native/memory_map.cc",
            "native/own_memory.cc",
            "native/pass.cc",
            "native/process_files.cc",
            "native/profile.cc",
            "native/profile_exports.cc",
            "native/reader.cc",
            "native/safe_read.cc",
            "native/smaps.cc",
            "native/stack.cc",
            "native/symbols.cc",
            "native/thread_stack.cc",
            "native/v8_frames.cc",
            "native/v8_heap.cc",
            "native/v8_layout.cc",
            "native/v8_pages.cc",
            "native/weak_refs.cc",
            "native/workspace.cc"
          ]
        }, {
          "type": "none"
        }]
      ],
      "defines": ["NAPI_VERSION=8"],
      "cflags!": ["-fomit-frame-pointer"],
      "cflags": ["-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-omit-frame-pointer"],
      "cflags_cc!": ["-std=gnu++14", "-std=gnu++17", "-std=gnu++20", "-fno-rtti", "-fno-exceptions"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"],
      "ldflags": ["-Wl,-z,now", "-Wl,-z,nodelete"]
    }
  ]
}
