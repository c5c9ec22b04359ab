#!/usr/bin/perl
# A small HTTP service: says which version it is, and under /healthz whether it is well. A version that ends in `-broken` never is.
use strict;
use warnings;
use IO::Socket::INET;

my ($port) = @ARGV;
open(my $file, '<', 'version') or die "version: $!";
chomp(my $version = <$file>);
# the release before may still be letting go of the port
my $listener;
for (1 .. 50) {
    $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1) and last;
    select(undef, undef, undef, 0.1);
}
die "port $port: $!" unless $listener;
while (my $client = $listener->accept) {
    my ($path) = (<$client> // '') =~ m{^GET (\S+)};
    while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
    my $status = ($path // '') eq '/healthz' && $version =~ /-broken$/ ? '503 Service Unavailable' : '200 OK';
    my $body = "web $version\n";
    print $client "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    close $client;
}
