{
  'targets': [
    {
      'target_name': 'test_addon',
      'sources': ['addon.cc'],
      'cflags_cc': ['-std=c++17', '-Wall', '-Wextra', '-fno-exceptions'],
    }
  ]
}
