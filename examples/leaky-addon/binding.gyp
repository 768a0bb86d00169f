{
  'targets': [
    {
      'target_name': 'leaky',
      'sources': ['leaky.cc'],
      'cflags_cc': ['-std=c++17', '-Wall', '-Wextra'],
    }
  ]
}
